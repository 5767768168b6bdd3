"""Official SIF and LDIF files become ours and go back; what does not fit is named."""

import json

import numpy as np
import pytest
import torch

from isofield.cli import main
from isofield.data import read_mesh
from isofield.errors import InputError
from isofield.fields.elements import LocalDecoder
from isofield.official.ldif import SifShape, ldif_from_official, official_from_ldif, parse_sif, sif_text
from isofield.official.occnet import decoder_from_occnet, occnet_from_decoder
from isofield.systems.ldif import LDIF, LDIFConfig
from isofield.systems.stored import load_system


def shape(count: int = 7, length: int = 8, symmetric: int = 3, turned: bool = True) -> SifShape:
    draw = np.random.default_rng(0)
    return SifShape(
        constants=-draw.uniform(0.1, 1, count),
        centres=draw.uniform(-0.3, 0.3, (count, 3)),
        deviations=draw.uniform(0.03, 0.1499, (count, 3)),
        angles=draw.uniform(-0.7, 0.7, (count, 3)) * turned,
        codes=draw.normal(size=(count, length)),
        symmetric=symmetric,
    )


def decoder(width: int = 8, blocks: int = 1) -> LocalDecoder:
    torch.manual_seed(0)
    made = LocalDecoder(width, width, blocks).eval()
    for name, tensor in made.named_buffers():
        tensor.fill_(1.5 if "variance" in name else 0.2)
    torch.nn.init.normal_(made.out.weight, std=0.02)
    return made


def plain(known: SifShape, points: np.ndarray) -> np.ndarray:
    """The sum of Gaussians as the file describes it, mirrored along z."""
    from scipy.spatial.transform import Rotation

    values = np.zeros(len(points))
    for k, (c, centre, deviation, angles) in enumerate(
        zip(known.constants, known.centres, known.deviations, known.angles, strict=True)
    ):
        turn = Rotation.from_euler("xyz", angles).as_matrix()
        for side in [1, -1] if k < known.symmetric else [1]:
            away = (points * [1, 1, side] - centre) @ turn / deviation
            values += c * np.exp(-0.5 * (away**2).sum(1))
    return values


def test_a_text_file_there_and_back():
    known = shape()
    again = parse_sif(sif_text(known))
    assert again.symmetric == 3
    for name in ("constants", "centres", "deviations", "angles", "codes"):
        np.testing.assert_allclose(getattr(again, name), getattr(known, name), rtol=1e-8)


@pytest.mark.parametrize("turned", [True, False])
def test_the_field_is_that_of_the_numbers_in_the_file(turned):
    known = shape(length=0, turned=turned)
    system = ldif_from_official(known)
    assert system.config.rotated == turned
    points = np.random.default_rng(1).uniform(-0.7, 0.7, (300, 3))
    with torch.no_grad():
        found = system.field(torch.from_numpy(points).float()[None], system.elements(torch.tensor([0])))[0]
    np.testing.assert_allclose(found.numpy(), plain(known, points), atol=2e-5, rtol=2e-5)


def test_ours_to_official_and_back():
    text, network = official_from_ldif(ldif_from_official(shape(), decoder()))
    again = parse_sif(text)
    for name in ("constants", "centres", "deviations", "angles", "codes"):
        np.testing.assert_allclose(getattr(again, name), getattr(shape(), name), rtol=1e-5, atol=1e-7)
    assert network == occnet_from_decoder(decoder())
    assert official_from_ldif(ldif_from_official(shape(length=0)))[1] is None


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_a_local_network_there_and_back_to_the_bit(blocks, tmp_path):
    made = decoder(blocks=blocks)
    again = decoder_from_occnet(occnet_from_decoder(made), tmp_path)
    for name, tensor in made.state_dict().items():
        assert again.state_dict()[name].equal(tensor), name


def test_matrices_stand_in_the_file_inputs_first():
    made = decoder()
    content = occnet_from_decoder(made)
    assert np.frombuffer(content[:8], "<i4").tolist() == [1, 8]
    numbers = np.frombuffer(content[8:], "<f4")
    np.testing.assert_array_equal(numbers[:24].reshape(3, 8), made.lift.weight.detach().numpy().T)
    beta = made.blocks[0].before.beta.weight.detach().numpy().T
    np.testing.assert_array_equal(numbers[32:96].reshape(8, 8), beta)
    np.testing.assert_array_equal(numbers[-9:-1], made.out.weight.detach().numpy()[0])


def test_mirrored_elements_come_first_whatever_the_order_of_the_file():
    lines = sif_text(shape()).splitlines()
    again = parse_sif("\n".join([*lines[:2], *lines[:1:-1]]))
    np.testing.assert_allclose(again.centres, shape().centres[[2, 1, 0, 6, 5, 4, 3]], rtol=1e-8)


def test_elements_wider_and_further_turned_than_the_networks_of_the_original_are_kept():
    known = shape(length=0)
    known.deviations[0], known.angles[1] = 0.4, 2.0
    text, _ = official_from_ldif(ldif_from_official(known))
    np.testing.assert_allclose(parse_sif(text).deviations, known.deviations, rtol=1e-5)
    np.testing.assert_allclose(parse_sif(text).angles, known.angles, rtol=1e-5)


def test_converted_they_become_meshes_in_the_frame_of_the_file(tmp_path, capsys):
    (tmp_path / "shape.txt").write_text(sif_text(shape()))
    (tmp_path / "shape.occnet").write_bytes(occnet_from_decoder(decoder()))
    assert main(["convert", str(tmp_path / "shape.txt"), "--json"]) == 0
    assert "7 elements, 3 of them mirrored" in json.loads(capsys.readouterr().out)["network"]
    weights = tmp_path / "shape.safetensors"
    assert load_system(weights, "ldif").config.official_frame
    assert main(["reconstruct", str(weights), "--resolution", "48", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["system"] == "ldif"
    assert record["mesh"]["is_closed"]
    assert len(record["notes"]["elements"]["centres"]) == 7
    vertices = read_mesh(tmp_path / "shape.mesh.glb").vertices
    system = load_system(weights)
    with torch.no_grad():
        values = system.field(torch.from_numpy(vertices).float()[None], system.elements(torch.tensor([0])))
    assert (values + 0.07).abs().median() < 0.01


def write(folder, text: str | None, network: bytes | None = None) -> str:
    for ending, content in (("txt", None if text is None else text.encode()), ("occnet", network)):
        if content is not None:
            (folder / f"bad.{ending}").write_bytes(content)
    return str(folder / ("bad.occnet" if text is None else "bad.txt"))


GOOD = sif_text(shape())


@pytest.mark.parametrize(
    ("text", "network", "message"),
    [
        ("nothing of the kind", None, "holds no network that isofield knows"),
        ("SIF\n3 0", None, "doesn't begin with SIF and three numbers"),
        ("SIF\n3 1 0 0", None, "the second line"),
        (GOOD[:-30], None, "elements have 133 numbers"),
        (GOOD.replace("0.", "o."), None, "is damaged"),
        (GOOD.replace("-0.", "nan", 1), None, "is damaged"),
        (GOOD, None, "codes of 8 numbers need the network they are for"),
        (GOOD, occnet_from_decoder(decoder(5)), "the network beside it is for 5"),
        (GOOD, occnet_from_decoder(decoder())[:-4], "1 blocks of 8 channels have"),
        (GOOD, b"short", "doesn't begin with the numbers of blocks"),
        (None, occnet_from_decoder(decoder()), "is a local network alone"),
        (sif_text(shape(length=0)).replace("\n-", "\n", 1), None, "constant of this SIF file is positive"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(tmp_path, capsys, text, network, message):
    assert main(["convert", write(tmp_path, text, network)]) == 2
    said = capsys.readouterr().err
    assert message in " ".join(said.split())
    assert "Traceback" not in said


def test_what_official_files_have_no_room_for():
    with pytest.raises(InputError, match="reads clouds"):
        official_from_ldif(LDIF(LDIFConfig(encoder_width=8)))
    with pytest.raises(InputError, match="along x"):
        official_from_ldif(LDIF(LDIFConfig(sees="object", objects=1, mirror="x")))
    with pytest.raises(InputError, match="not 4 for 8"):
        occnet_from_decoder(LocalDecoder(4, 8))
