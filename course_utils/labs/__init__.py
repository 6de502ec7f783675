"""The experiments of the ethics lessons: each module a question, each function a tidy table.

A table has one row per measurement, so that it can be grouped, plotted and put under an interval
without being reshaped. Results that depend on training are repeated over seeds.
"""
