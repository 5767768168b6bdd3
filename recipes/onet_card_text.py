"""The model card in words, made of the numbers that onet_card.py measured."""

from collections.abc import Mapping
from typing import Any

Card = Mapping[str, Any]
TITLES = {
    "points": "Occupancy network from 300 points",
    "image": "Occupancy network from one picture",
    "generative": "Occupancy network that draws chairs and tables",
}
PAPERS_LEVEL = 0.2
LABELS = {
    "network": "this network",
    "retrieval": "nearest training shape, by the encoder's code",
    "oracle": "best training shape, which only the truth can tell",
    "mean_shape": "mean training shape",
    "mean_of_category": "mean training shape of the true category",
    "gauss": "`gauss`, no training",
    "indicator": "`indicator`, the default for points",
}


def text(kind: str, card: Card) -> str:
    """The whole card, in Markdown."""
    sections = [what(kind, card), data(card), training(card)]
    sections += generative(card) if kind == "generative" else [numbers(kind, card), *verdict(card)]
    return "\n\n".join([*sections, limits(kind, card)]) + "\n"


def prose(words: str) -> str:
    """One line for Markdown to break."""
    return " ".join(words.split())


def what(kind: str, card: Card) -> str:
    """Title, and the network in three sentences."""
    c = card["config"]
    sees = {
        "points": f"a cloud of {c['cloud_size']} points, noise {c['noise']} of the longest edge",
        "image": f"one picture of {c['image_size']} x {c['image_size']} pixels, the object on white",
        "generative": f"nothing: its latent code of {c['latent_size']} numbers is drawn from N(0, 1)",
    }
    return f"# {TITLES[kind]}\n\n" + prose(f"""
        `onet_{kind}.safetensors`: an occupancy network (Mescheder et al., CVPR 2019, arXiv:1812.03828),
        smaller than the paper's: {card["parameters"] / 1e6:.2f} million parameters,
        {card["megabytes"]:.1f} MB. It sees {sees[kind]}. The surface is where the probability of being
        inside is {c["threshold"]}.""")


def data(card: Card) -> str:
    """Where the shapes come from and under which licences."""
    known, only = card["data"], card["config"]["only"]
    chosen = f"Of these, only those with {' or '.join(only)} in their name." if only else ""
    models = "".join(f"\n- {count} models: {name}" for name, count in known["licences"].items())
    return "## Data\n\n" + prose(f"""
        The furniture of Sweet Home 3D as `recipes/furniture.py` prepares it, and shapes from formulas
        (`recipes/shapes.py`): {known["train"]} models to learn from, {known["val"]} to watch the training,
        {known["test"]} held out, split by name alone. {chosen} Near twins of a held-out model may be among
        those learned from: collections hold several sizes of one design. `manifest.json` in the data set
        names the creator and the licence of each model:""") + "\n" + models  # fmt: skip


def training(card: Card) -> str:
    """The recipe in one paragraph."""
    made, c = card["training"], card["config"]
    mirror = ", every other object mirrored" if c["mirror"] else ""
    return "## Training\n\n" + prose(f"""
        {made["steps"]:,} steps of {made["batch_size"]} objects with {c["points"]:,} labelled points
        each{mirror}; AdamW, learning rate {made["learning_rate"]:g} ({made["schedule"]}, {made["warmup"]}
        steps of warm-up), weight decay {made["weight_decay"]:g}. The official training takes batches of 64
        objects with 2,048 points and goes on until validation stops improving. {regularised(c)}
        {chosen(card)} Weights are kept in half precision. `recipes/onet.py` repeats the training,
        `recipes/onet_card.py` makes the numbers below.""")


def regularised(config: Card) -> str:
    """What keeps the network from learning pictures by heart."""
    if not config["vary"]:
        return ""
    area, without = 100 * config["crop"], 100 * config["dropout"]
    return f"""Pictures are shown with other light, colours and frames (strength {config["vary"]:g}, down to
        {area:.0f} % of the area), and the code is made without {without:.0f} % of the encoder's
        features."""


def chosen(card: Card) -> str:
    """What the validation part decided."""
    best, level = card["training"].get("best"), card["config"]["threshold"]
    told = [] if best is None else [f"that the weights of step {best:,} ship"]
    told += [] if level == PAPERS_LEVEL else [f"that the surface lies at a probability of {level:g}"]
    return f"The validation part decided {' and '.join(told)}." if told else ""


def numbers(kind: str, card: Card) -> str:
    """The table of answers."""
    observed = {"points": "one noisy cloud", "image": "the first picture"}[kind]
    stored = "" if card.get("quick") else "Distances of training shapes are those of their stored clouds."
    intro = prose(f"""
        {card["test"]} test models, {observed} each, {protocol(card)}: means of each category, then over
        the categories. `IoU over models` weighs every model the same. {stored} {bare(card)}
        Retrieval and oracle choose among {card["candidates"]:,} shapes,
        mirror images {"included" if card["config"]["mirror"] else "not included"}.""")
    head = (
        "| answer | IoU | IoU over models | Chamfer-L1 x 10 | normal consistency |\n|---|---|---|---|---|\n"
    )
    lines = "".join(answer(LABELS[name], means) for name, means in card["means"].items())
    return f"## Held-out numbers\n\n{intro}\n\n{head}{lines}".rstrip()


def protocol(card: Card) -> str:
    """How it was measured."""
    if card.get("quick"):
        return "by IoU of the occupancies on the labelled points alone (`recipes/onet_card.py --quick`)"
    return "by the protocol of the paper (`isofield evaluate --protocol onet`)"


def bare(card: Card) -> str:
    """On how many models the network finds nothing."""
    count = card["without_surface"]
    return f"The network finds no surface on {count} of them: IoU 0, no distance." if count else ""


def answer(label: str, means: Card) -> str:
    """One line of the table; empty where there is no number."""
    classes, objects = means["mean_over_classes"], means["mean_over_objects"]
    cells = [classes.get("iou"), objects.get("iou")]
    cells += [classes.get(name) for name in ("chamfer_l1_x10", "normal_consistency")]
    return f"| {label} | " + " | ".join("" if cell is None else f"{cell:.3f}" for cell in cells) + " |\n"


def verdict(card: Card) -> list[str]:
    """Whether the network beats retrieval, in plain words."""
    own = card["means"]["network"]["mean_over_classes"]["iou"]
    stronger = [
        f"`{name}`"
        for name in ("gauss", "indicator")
        if name in card["means"] and card["means"][name]["mean_over_classes"]["iou"] > own
    ]
    lines = ["## Does it reconstruct, or recognise?", against("retrieval", card), against("oracle", card)]
    if stronger:
        better = "are better: use them" if len(stronger) > 1 else "is better: use it"
        lines.append(f"From the same points {' and '.join(stronger)} {better}.")
    return lines


def against(name: str, card: Card) -> str:
    """The network compared with one way to answer with a training shape."""
    own, other = (card["means"][each]["mean_over_classes"] for each in ("network", name))
    whom = {"retrieval": "looking up the nearest training shape", "oracle": "the best training shape"}[name]
    beats = own["iou"] > other["iou"]
    distance = "distances were not measured"
    if pair := card["distances"][name]:
        closer = pair[0] < pair[1]
        distance = f"by Chamfer distance it is {'better' if closer else 'worse'}"
        distance += ", too" if closer == beats else ""
        distance += f": {pair[0]:.3f} against {pair[1]:.3f} on the models where both have a surface"
    return prose(f"""
        By IoU the network {"beats" if beats else "**does not beat**"} {whom}: {own["iou"]:.3f} against
        {other["iou"]:.3f}; {distance}. Its IoU is higher on
        {100 * card["better"][name]:.0f} % of the models.""")


def generative(card: Card) -> list[str]:
    """Bound, autoencoding and samples of the generative network."""
    bound, drawn, means = card["bound"], card["samples"], card["means"]
    own, best = (means[name]["mean_over_objects"]["iou"] for name in ("autoencoded", "oracle"))
    novelty, points = drawn["novelty"], card["config"]["points"]
    known = prose(f"""
        {card["held"]} models of the validation and test parts together, as the test part alone has few
        chairs and tables. In nats per point: cross entropy
        {bound["occupancy"]:.4f}, divergence {bound["divergence"]:.4f} ({bound["divergence_per_shape"]:.1f}
        per shape), together {bound["total"]:.4f}. The mean training shape taken as probability, which knows
        nothing of the model, has {bound["mean_shape"]:.4f}.""")
    kept = prose(f"""
        Encoded from {points:,} labelled points and decoded from the mean of the posterior, shapes keep an
        IoU of {own:.3f}. That {"beats" if own > best else "**does not beat**"} the best of
        {card["candidates"]:,} training shapes, {best:.3f}.""")
    new = prose(f"""
        Of {drawn["count"]} samples, {drawn["empty"]} are empty. Their IoU with the nearest training shape is
        {novelty["mean"]:.3f} on average, {novelty["least"]:.3f} to {novelty["most"]:.3f}; 1 would be a copy,
        held-out models have {drawn["held_to_training"]["mean"]:.3f}. The nearest of the samples has an IoU of
        {drawn["coverage"]["mean"]:.3f} with a held-out model on average, the nearest of as many training
        shapes drawn by chance {drawn["coverage_by_training"]["mean"]:.3f}.""")
    return [f"## Held-out numbers\n\n{known}", kept, f"## Are samples new?\n\n{new}"]


def limits(kind: str, card: Card) -> str:
    """What not to expect."""
    own = {
        "points": """Clouds must show the whole object, upright as in the data set (y up). Larger clouds
            are thinned to what it learned from, so detail is lost that `indicator` keeps.""",
        "image": """Pictures must look like the renderings of the data set: one object, whole, on white.
            The shape comes in the unit box, without its size. Photographs were not measured.""",
        "generative": "It knows chairs and tables only.",
    }[kind]
    return "## Limits\n\n" + prose(f"""{own} {card["data"]["train"]} models at most are few of a kind: thin
        boards and legs are often lost, and what is unlike the training shapes comes out as something
        like them.""")
