# IMPORTS: import pandas as pd; from course_utils import plots, record; from course_utils.evaluation import DIFFERENCE, over_seeds, paired_difference, within; from course_utils.exercises import check; from course_utils.labs import identities; from course_utils.labs.drawn import creatures
# (creatures was course_utils.labs.creatures on branch e; the lead has moved it to labs/drawn)
# %% [markdown]
# ## 5.5 Faces without faces
#
# *18 minutes, of which the computer takes about fifteen seconds.* "Could such an algorithm distinguish people's faces?" asked the student's essay. Yes. Nothing in a network knows whether its classes are kinds of thing or persons. This section builds a recogniser and counts its mistakes. Whom it recognises are drawn creatures: a body on legs, a few spots, no face at all. They come in two groups. **Varied** creatures differ from each other in everything. **Plain** ones resemble each other. The groups stand for no group of people.
# %% tags=["nbval-ignore-output"]
first, again = (creatures.draw(range(24), 1, seed=seed, split=split) for split in ("train", "test"))
plain = creatures.groups_of(range(24)) == "plain"
rows = {
    "plain": first.images[plain],
    "the same again": again.images[plain],
    "varied": first.images[~plain],
    "and the same": again.images[~plain],
}
plots.rows(rows, title="Twelve plain and twelve varied creatures, each in two pictures")
# %% [markdown]
# **What to look for.** Could you say which picture in the second row belongs to which in the first, if they were shuffled? And in the lower two rows?
#
# A classifier can only name those it was trained on. A recogniser has to tell apart anybody, strangers too. The step from one to the other is small. The last layer of our network names the classes. What reaches that layer is a list of 48 numbers, an **embedding**, and pictures of one creature get similar lists. So we train on sixty creatures, take the last layer off, which is one line of Keras, `keras.Model(model.inputs[0], model.layers[-2].output)`, and give the network pictures of creatures that it has never seen. The **score** of two pictures is the cosine of the angle between their embeddings, 1 where they point the same way.
#
# The standards (ISO/IEC 19795-1) have exact words for what happens next.
#
# - A comparison of two pictures of one creature is **mated**, one of two creatures **non-mated**.
# - Two pictures **match** if their score is at least the **threshold**.
# - The **false match rate** is the share of the non-mated comparisons that match.
# - The **false non-match rate** is the share of the mated comparisons that don't.
# %%
recogniser = identities.build(seed=seed)
vectors = identities.embed(recogniser.network, recogniser.tested.images[:2])
print("two pictures, and as many numbers for each:", vectors.shape)
# %% tags=["nbval-ignore-output"]
comparisons = recogniser.comparisons()
plots.match_scores(
    comparisons[comparisons.group != "mixed"],
    threshold=recogniser.threshold,
    title="Scores of creatures that the network has never seen",
)
# %% [markdown]
# **What to look for.** Two heaps in each panel, and a place where they overlap. Wherever you put the threshold, some pairs are on the wrong side. To move it to the right trades false matches for false non-matches. Nobody has found the right place for it, since there is none: it depends on which mistake does more harm, and to whom. Ours was set on other creatures, half of them plain, so that one non-mated comparison in a hundred matches. Real systems ask for far fewer; with our few creatures rarer mistakes could not be counted.
#
# ### Exercise 5.6: two rates
#
# Write a function that gets the scores of mated comparisons, those of non-mated comparisons and a threshold. It returns the false match rate and the false non-match rate, in this order.
# %% nbgrader={"grade": false, "grade_id": "exercise-5-6", "locked": false, "schema_version": 3, "solution": true, "task": false}
def match_rates(mated, non_mated, threshold):
    """Return the false match rate and the false non-match rate of these scores, shape (n,)."""
    ### BEGIN SOLUTION
    return np.mean(non_mated >= threshold), np.mean(mated < threshold)
    ### END SOLUTION
# %% nbgrader={"grade": true, "grade_id": "check-5-6", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("5.6", match_rates)
### BEGIN HIDDEN TESTS
from course_utils.exercises import emit

emit("5.6", match_rates)
### END HIDDEN TESTS
# %% [markdown]
# ### Who is taken for somebody else?
#
# Now by group. There are two ways in which plain creatures might come off worse. They are more alike, and no network can change that. And they might be *rare* among those that the network learned from. So we train twice for each seed: once with half of the sixty known creatures plain, and once with a tenth. Those that we test on are strangers, half of them plain, each time. There is one threshold for everybody.
#
# > **Predict before you run.** Which group will have more false matches where both are equally common in training? By how much will it change when plain ones are rare? And what will happen to the *varied* ones' false non-matches?
# %%
recognition = identities.measure(seeds=seeds)
# %% tags=["nbval-ignore-output"]
by_group = recognition[recognition.group != "all"].copy()
by_group["row"] = [f"{row.plain_share:.0%} plain: {row.group}" for row in by_group.itertuples()]
plots.seeds(
    by_group,
    label="row",
    value="false_match_rate",
    title="False matches, by group and by the share of plain creatures in training",
    xlabel="false match rate",
)
# %% tags=["nbval-ignore-output"]
gaps = identities.differences(recognition).pivot_table(
    "difference", index="seed", columns="plain_share"
)
gap_change = paired_difference(gaps[0.1], gaps[0.5], bounds=DIFFERENCE)
print("plain minus varied, half of them plain: ", over_seeds(gaps[0.5], bounds=DIFFERENCE))
print("plain minus varied, a tenth of them:    ", over_seeds(gaps[0.1], bounds=DIFFERENCE))
print("the change:                             ", gap_change)
# %% tags=["nbval-ignore-output"]
recognition.groupby(["plain_share", "group"], sort=False)[
    ["false_match_rate", "false_non_match_rate"]
].mean().round(4)
# %%
overall = recognition[(recognition.group == "all") & (recognition.plain_share == 0.5)]
within("false match rate of all comparisons", overall.false_match_rate.mean(), 0.003, 0.03)
# %% [markdown]
# **What to look for.** Divide the plain ones' false match rate by the varied ones', in both halves of the table. How much of that does the row "all" show, for which the threshold was set? To be alike is a property of the creatures. To be *taken for* each other is a property of creatures and network together, and the second part of it depends on whom the network learned from. And look at the false non-matches: what does one threshold for all cost either group?
#
# In 2019 the US standards institute NIST tested 189 face recognition algorithms on 18 million pictures of 8.5 million people. For many of them false positives varied between groups by factors of 10 to more than 100 (Grother and colleagues 2019). The report didn't explore the causes. It noted that some algorithms developed in Asia showed no such dramatic difference between Asian and white faces, and named their training data as one possible reason (NIST 2019). Our drawings show that rarity in training *can* do such a thing. They don't show that it did.
#
# ### From one to many
#
# So far one picture was compared with one other: are you who you say? That is **verification**, 1:1. A **search**, 1:N, compares one picture with everybody who is enrolled. Its mistakes have names of their own. The **false positive identification rate** is the share of searches for somebody who isn't enrolled that return somebody all the same.
#
# > **Predict before you run.** One comparison in a hundred is a false match. How many searches in a hundred will return somebody if forty creatures are enrolled, none of them the right one?
# %%
searches = identities.measure_search(seeds=seeds)
# %% tags=["nbval-ignore-output"]
plots.doses(
    searches.melt(["seed", "gallery_size"], ["measured", "if independent"], var_name="rate"),
    dose="gallery_size",
    value="value",
    series="rate",
    title="Searches for strangers that return somebody",
    xlabel="creatures enrolled",
    ylabel="false positive identification rate",
    shares=False,
)
# %% [markdown]
# **What to look for.** If each comparison erred by itself, the rate for *N* enrolled would be 1 − (1 − *f*)^*N*, *f* being the false match rate. How well does this describe what was measured? Either way, a threshold that is good enough for a door is not good enough for a database.
#
# ### The gate
#
# Now put a camera at a station. It looks for one person. Who sets off the alarm?
#
# ### Exercise 5.7: how many alarms are right?
#
# Write a function that gets the **base rate** (the share of passers-by who are sought), the hit rate (the share of those sought for whom the alarm goes off) and the false alarm rate (the same for everybody else). It returns the share of the alarms that are right.
# %% nbgrader={"grade": false, "grade_id": "exercise-5-7", "locked": false, "schema_version": 3, "solution": true, "task": false}
def right_alarms(base_rate, hit_rate, false_alarm_rate):
    """Return the share of the alarms that are right; all rates are shares from 0 to 1."""
    ### BEGIN SOLUTION
    right = base_rate * hit_rate
    false = (1 - base_rate) * false_alarm_rate
    return right / (right + false)
    ### END SOLUTION
# %% nbgrader={"grade": true, "grade_id": "check-5-7", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("5.7", right_alarms)
### BEGIN HIDDEN TESTS
from course_utils.exercises import emit

emit("5.7", right_alarms)
### END HIDDEN TESTS
# %% [markdown]
# > **Predict before you run.** Our recogniser stands at the gate, with the rates that you have measured. One passer-by in 10,000 is sought. Of a hundred alarms, how many are right?
# %%
def gate(row, base_rate):
    """The gate with the error rates of a row."""
    return identities.gate(
        base_rate=base_rate,
        hit_rate=1 - row.false_non_match_rate,
        false_alarm_rate=row.false_match_rate,
    )
# %% tags=["nbval-ignore-output"]
mean = overall[["false_match_rate", "false_non_match_rate"]].mean()
pd.concat([gate(mean, rate) for rate in (0.1, 0.01, 0.001, 0.0001)]).round(4)
# %% tags=["nbval-ignore-output"]
alarms_right = over_seeds([gate(row, 0.0001).right.iloc[0] for row in overall.itertuples()])
print("alarms that are right, one in 10,000 being sought:", alarms_right)
# %% [markdown]
# **What to look for.** The same camera with the same two rates, and in the first row most alarms are right. Only the number of those sought has changed. A seller who says "99 % accurate" has told you nothing about the last row. And every false alarm is somebody who is stopped. If false matches fall on one group more than on another, so do the stops.
#
# "Could it distinguish people's faces?" Yes: and it will also fail to, at rates that somebody chose by setting a threshold, for people who had no say in it. In January 2020 the police of Detroit arrested Robert Williams outside his home and held him for thirty hours. A search had returned him, and he was somebody else (ACLU, *Williams v. City of Detroit*).
# %%
# RECORDS
record("false_match_gap_balanced", over_seeds(gaps[0.5], bounds=DIFFERENCE))
record("false_match_gap_rare", over_seeds(gaps[0.1], bounds=DIFFERENCE))
record("false_match_gap_change", gap_change)
largest = searches[searches.gallery_size == searches.gallery_size.max()]
record("false_positive_identification", over_seeds(largest.measured))
record("alarms_right", alarms_right)
