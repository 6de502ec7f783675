"""Answers to lesson 4's exercises on short cuts, mitigation and wrong labels, right and wrong."""

import numpy as np


def occlusion_map(predict, image, label, size):
    rows, columns = image.shape[0] // size, image.shape[1] // size
    found = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            hidden = image.copy()
            top, left = row * size, column * size
            hidden[top : top + size, left : left + size] = 128
            whole, part = (predict(one[None])[0, label] for one in (image, hidden))
            found[row, column] = whole - part
    return found


def map_with(*, sign=1, fill=128, copy=True, step=None, pick=None, whole=True):
    """An occlusion map with something wrong in it."""

    def answer(predict, image, label, size):
        rows, columns = image.shape[0] // size, image.shape[1] // size
        found = np.zeros((rows, columns))
        label = label if pick is None else pick(predict(image[None])[0])
        start = predict(image[None])[0, label] if whole else 0
        for row in range(rows):
            for column in range(columns):
                hidden = image.copy() if copy else image
                top, left = row * (step or size), column * (step or size)
                hidden[top : top + size, left : left + size] = fill
                found[row, column] = sign * (start - predict(hidden[None])[0, label])
        return found

    return answer


def map_in_one_go(predict, image, label, size):
    """Right, with one call for all squares."""
    rows, columns = image.shape[0] // size, image.shape[1] // size
    copies = np.repeat(image[None], rows * columns, axis=0)
    for place, (row, column) in enumerate(np.ndindex(rows, columns)):
        copies[place, row * size :, column * size :][:size, :size] = 128
    drop = predict(image[None])[:, label] - predict(copies)[:, label]
    return drop.reshape(rows, columns)


def resample(groups, seed):
    generator = np.random.default_rng(seed)
    names = np.unique(groups)
    share = len(groups) // len(names)
    return np.concatenate(
        [generator.choice(np.flatnonzero(groups == name), share) for name in names]
    )


def resample_in_turn(groups, seed):
    """Right: each group's pictures in a drawn order, again and again until there are enough."""
    generator = np.random.default_rng(seed)
    names = sorted(set(groups))
    drawn = []
    for name in names:
        members = generator.permutation([i for i, one in enumerate(groups) if one == name])
        drawn += [members[i % len(members)] for i in range(len(groups) // len(names))]
    return np.array(drawn)


def resample_by_chance(groups, seed):
    """Equally often only on average."""
    counts = np.array([(groups == group).sum() for group in groups])
    chances = 1 / counts
    return np.random.default_rng(seed).choice(len(groups), len(groups), p=chances / chances.sum())


def resample_with(*, generator=np.random.default_rng, size=None, members=None, join=np.concatenate):
    """A draw with something wrong in it."""

    def answer(groups, seed):
        random = generator(seed)
        names = np.unique(groups)
        share = len(groups) // len(names) if size is None else size(groups)
        return join(
            [
                random.choice(
                    (members or (lambda found: found))(np.flatnonzero(groups == name)), share
                )
                for name in names
            ]
        )

    return answer


def weigh(groups):
    names, counts = np.unique(groups, return_counts=True)
    return np.array([len(groups) / len(names) / counts[names == group][0] for group in groups])


RIGHT = {"4.6": [resample, resample_in_turn]}
MISTAKES = {
    "4.6": [
        resample_by_chance,
        lambda groups, seed: np.random.default_rng(seed).permutation(len(groups)),
        lambda groups, seed: np.arange(len(groups)),
        resample_with(generator=lambda seed: np.random.default_rng()),
        resample_with(generator=lambda seed: np.random.default_rng(0)),
        resample_with(size=len),
        resample_with(size=lambda groups: min(np.unique(groups, return_counts=True)[1])),
        resample_with(members=lambda found: found[:2]),
        resample_with(join=np.array),
        resample_with(join=list),
        lambda groups, seed: groups[resample(groups, seed)],
        lambda groups, seed: resample(groups, seed) + 1,
        lambda groups, seed: resample(groups, seed).astype(float),
        lambda groups, seed: np.isin(np.arange(len(groups)), resample(groups, seed)),
    ],
}

# Wrong everywhere, but for an accident; and right in part, or right as far as it goes.
WRONG = {
    "4.4": [
        map_with(sign=-1),
        map_with(fill=0),
        map_with(whole=False),
        lambda *given: occlusion_map(*given).ravel(),
        lambda *given: occlusion_map(*given).max(),
        lambda *given: occlusion_map(*given).round(2),
    ],
    "4.5": [
        lambda groups: np.unique(groups, return_counts=True)[1],
        lambda groups: np.array([(groups == group).sum() for group in groups]),
        lambda groups: np.array([1 / (groups == group).sum() for group in groups]),
        lambda groups: np.array([len(groups) / (groups == group).sum() for group in groups]),
        lambda groups: weigh(groups) / weigh(groups).sum(),
        lambda groups: weigh(groups) ** 0.5,
        lambda groups: np.unique(weigh(groups)),
        lambda groups: np.ones(len(groups)),
    ],
    "4.7": [
        lambda weights, losses, step: weights * np.exp(step * losses),
        lambda weights, losses, step: normalise(weights * np.exp(-step * losses)),
        lambda weights, losses, step: normalise(weights * (1 + step * losses)),
        lambda weights, losses, step: normalise(weights + step * losses),
        lambda weights, losses, step: normalise(weights * np.exp(losses)),
        lambda weights, losses, step: normalise(weights * losses),
        lambda weights, losses, step: weights @ losses,
        lambda weights, losses, step: weights,
    ],
    "4.13": [
        lambda reported, noise, num_classes: reported,
        lambda reported, noise, num_classes: reported + noise,
        lambda reported, noise, num_classes: (reported - noise) / (1 - noise),
        lambda reported, noise, num_classes: (reported - noise / num_classes) / (1 - noise),
        lambda reported, noise, num_classes: (
            reported * (1 - noise) + (1 - reported) * noise / (num_classes - 1)
        ),
        lambda reported, noise, num_classes: reported - noise / (num_classes - 1),
        lambda reported, noise, num_classes: corrected(reported, noise, num_classes + 1),
    ],
}
PARTLY_RIGHT = {
    "4.4": [
        map_with(step=4),
    ],
    "4.5": [
        lambda groups: len(groups) / 2 / np.array([(groups == group).sum() for group in groups]),
        lambda groups: np.where(
            groups == "B", 0.5 / np.mean(groups == "B"), 0.5 / np.mean(groups != "B")
        ),
    ],
    "4.7": [
        lambda weights, losses, step: normalise(np.exp(step * losses)),
        lambda weights, losses, step: normalise((weights * np.exp(step * losses))[:2]),
    ],
    "4.13": [
        lambda reported, noise, num_classes: corrected(reported, noise, 10),
        lambda reported, noise, num_classes: corrected(reported, noise, 2),
    ],
}
OTHER_WAYS = {
    "4.4": map_in_one_go,
    "4.5": weigh,
    "4.7": lambda weights, losses, step: [
        weight * np.exp(step * loss) / np.dot(weights, np.exp(step * losses))
        for weight, loss in zip(weights, losses, strict=True)
    ],
    "4.13": lambda reported, noise, num_classes: (
        (reported * (num_classes - 1) - noise) / (num_classes - 1 - num_classes * noise)
    ),
}


def normalise(values):
    return values / values.sum()


def corrected(reported, noise, num_classes):
    chance = noise / (num_classes - 1)
    return (reported - chance) / (1 - noise - chance)
