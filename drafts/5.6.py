# IMPORTS: from course_utils import plots, record; from course_utils.evaluation import over_seeds, paired_difference, within; from course_utils.exercises import check; from course_utils.labs import glyph_swap; from course_utils.labs.drawn import letters
# (letters was course_utils.labs.letters on branch e; the lead has moved it to labs/drawn)
# %% [markdown]
# ## 5.6 The swap
#
# *15 minutes, of which the computer takes about fifteen seconds.* "With little change, this network could make deepfakes", the student's essay feared. Which change? A classifier turns a picture into a few numbers. To make pictures, something has to turn numbers back into pixels: a **decoder**. The classic face swap uses one **encoder**, which learns what two sets of pictures have in common, and *two* decoders, one for each set. We swap no faces. We swap the style of ten letters, thin and white or bold and orange.
#
# Both networks are small and have no convolutions at all. This is the whole of a decoder:
# %%
decoder = glyph_swap.build_decoder()
for layer in decoder.layers:
    print(f"{type(layer).__name__:8} {layer.output.shape[1:]}")
# %% [markdown]
# In training each picture is encoded, decoded by the decoder of *its own* style, and compared with itself. Nobody ever shows the network a thin A beside a bold A. Then comes the trick: encode a thin letter, and use the other decoder.
# %%
thin, bold = (
    letters.draw(glyph_swap.NUM_TRAIN, style=style, seed=seed) for style in letters.STYLES
)
new_thin, new_bold = (
    letters.draw(12, style=style, seed=seed, split="test") for style in letters.STYLES
)
swapper = glyph_swap.train(thin, bold, seed=seed)
swapped = swapper.translate(new_thin.images, source="thin", target="bold")
# %% tags=["nbval-ignore-output"]
rows = {
    "thin": new_thin.images,
    "swapped": swapped,
    "genuine bold": new_bold.images,
    "painted again": swapper.translate(new_bold.images, source="bold", target="bold"),
}
plots.rows(rows, title="Thin letters, the same in bold by a swap, and genuine bold letters")
# %% [markdown]
# **What to look for.** Compare each swapped letter with the thin one above it. Is it the same letter? Does it stand in the same place, at the same angle? And could you tell a swapped letter from a genuine one?
#
# ### Exercise 5.8: the other decoder
#
# Write the swap. The function gets pictures (uint8, from 0 to 255), an encoder and a decoder. Both are called like functions. The encoder has learned from pixels divided by 255, and what the decoder paints lies between 0 and 1. Return pictures, uint8 from 0 to 255, each value rounded to the nearest whole number.
# %% nbgrader={"grade": false, "grade_id": "exercise-5-8", "locked": false, "schema_version": 3, "solution": true, "task": false}
def swap(images, encode, decode):
    """Return pictures of the same size, encoded by one function and decoded by the other."""
    ### BEGIN SOLUTION
    painted = decode(encode(images / 255))
    return np.rint(255 * np.asarray(painted)).astype("uint8")
    ### END SOLUTION
# %% nbgrader={"grade": true, "grade_id": "check-5-8", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("5.8", swap)
### BEGIN HIDDEN TESTS
from course_utils.exercises import emit

emit("5.8", swap)
### END HIDDEN TESTS
# %% [markdown]
# ### What does it take?
#
# A network that has learned to read genuine bold letters tells us which letter each swap has become. One in ten would be right by chance. And we take things away. Once the letters are not **aligned**: turned by up to 30 degrees, larger or smaller, anywhere in the picture. (Face swaps cut out and straighten each face first.) And once each style has an encoder of its own.
#
# > **Predict before you run.** Which will do more harm: letters that are not aligned, or an encoder for each style? Could it work without a common encoder at all?
# %%
swaps = glyph_swap.measure_swaps(seeds=seeds)
# %% tags=["nbval-ignore-output"]
plots.seeds(
    swaps,
    label="condition",
    value="same_letter",
    title="Swapped letters that are still read as the same letter",
    xlabel="same letter",
)
# %% tags=["nbval-ignore-output"]
kept = swaps.pivot_table("same_letter", index="seed", columns="condition", sort=False)
whole, turned, apart = (kept[name] for name in glyph_swap.CONDITIONS)
alignment, sharing = paired_difference(whole, turned), paired_difference(whole, apart)
print("aligned minus not aligned:             ", alignment)
print("one encoder minus an encoder for each: ", sharing)
swaps.groupby("condition", sort=False)[["same_letter", "repainted", "genuine"]].mean().round(3)
# %%
within("genuine letters that are read", swaps.genuine.mean(), 0.95, 1)
within("swaps that keep the letter", whole.mean(), 0.4, 0.9)
# %% [markdown]
# **What to look for.** Look at "repainted" as well: bold letters, painted again by their own decoder. Where that fails, no swap can work. Where it works and the swap doesn't, each style has been learned, but not what they have in common. So a classifier lacks more than a class for persons. It lacks a decoder, two sets of pictures, their alignment, and a training that ties the two together. Whoever "refactors" it into a swapper has replaced it. The parts are general knowledge all the same: layers, slopes, two loops.
#
# ### Can it be told?
#
# We train another small network, a **detector**, to tell swapped letters from genuine ones, and try it on new ones of both kinds. Then we do what many websites do with pictures: save them as JPEG, at quality 90, 60 and 30. Swapped and genuine pictures are saved alike. A second detector learns from pictures of which most have been saved that way.
#
# > **Predict before you run.** What will saving do to the first detector? If it makes mistakes, of which kind: swaps that pass for genuine, or genuine pictures that are called swapped?
# %%
detection = glyph_swap.measure_detector(seeds=seeds)
# %% tags=["nbval-ignore-output"]
detection["row"] = detection.detector + ": " + detection.saved
plots.seeds(
    detection,
    label="row",
    value="accuracy",
    title="Swapped or genuine? What a detector learned from, and how pictures were saved",
    xlabel="accuracy",
)
# %% tags=["nbval-ignore-output"]
shares = detection.groupby(["detector", "saved"], sort=False)[["detected", "accused"]].mean()
shares.round(3)
# %% tags=["nbval-ignore-output"]
right = detection.pivot_table("accuracy", index="seed", columns=["detector", "saved"], sort=False)
made, saved = right["pictures as made"], right["saved pictures too"]
jpeg_loss = paired_difference(made["as made"], made["JPEG 30"])
training_gain = paired_difference(saved["JPEG 30"], made["JPEG 30"])
print("first detector, as made minus JPEG 30:", jpeg_loss)
print("JPEG 30, second detector minus first: ", training_gain)
# %%
within("accuracy of the first detector, as made", made["as made"].mean(), 0.9, 1)
# %% [markdown]
# **What to look for.** "Detected" is the share of swaps that are called swapped, "accused" the share of *genuine* pictures that are. A detector can find every swap by accusing everybody. Half of the pictures here are swapped, so one that does is right in half of them. With one fake in ten thousand, as at the gate, its alarms would be next to worthless.
#
# Rössler and colleagues (2019) trained detectors on manipulated videos at several strengths of compression, for the same reason. Two limits of ours: these pictures are 16 pixels wide, so that saving changes much of them, and the swaps are made by one simple method. What a detector has learned to look for is what yesterday's swaps did wrong. Whoever makes tomorrow's can train against it.
#
# To try on your own: `glyph_swap.measure_detector(seeds=seeds, grain=6.0)` adds as much grain to the swaps as genuine pictures have. Write down first what you expect, and which result would prove you wrong. What about `grain=40.0`?
# %%
# RECORDS
record("swap_same_letter", over_seeds(whole))
record("swap_alignment", alignment)
record("swap_without_shared_encoder", over_seeds(apart))
record("swap_sharing", sharing)
record("detector_as_made", over_seeds(made["as made"]))
record("detector_jpeg_loss", jpeg_loss)
record("detector_training_gain", training_gain)
