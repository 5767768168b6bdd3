"""The papers behind each system, for `isofield cite`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """One publication."""

    key: str
    title: str
    authors: str
    """As BibTeX wants them, separated by `and`."""
    where: str
    year: int
    arxiv: str = ""
    journal: bool = False

    def bibtex(self) -> str:
        """The entry."""
        kind, place = ("article", "journal") if self.journal else ("inproceedings", "booktitle")
        rows = {
            "title": f"{{{self.title}}}",
            "author": self.authors,
            place: self.where,
            "year": str(self.year),
        }
        if self.arxiv:
            rows |= {"eprint": self.arxiv, "archiveprefix": "arXiv"}
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in rows.items())
        return f"@{kind}{{{self.key},\n{body}\n}}"


CVPR = "IEEE/CVF Conference on Computer Vision and Pattern Recognition"
ICCV = "IEEE/CVF International Conference on Computer Vision"
ECCV = "European Conference on Computer Vision"
NEURIPS = "Advances in Neural Information Processing Systems"
TOG = "ACM Transactions on Graphics"

ONET = Paper(
    "mescheder2019occupancy",
    "Occupancy Networks: Learning 3D Reconstruction in Function Space",
    "Mescheder, Lars and Oechsle, Michael and Niemeyer, Michael and Nowozin, Sebastian and Geiger, Andreas",
    CVPR, 2019, "1812.03828",
)  # fmt: skip
CONVONET = Paper(
    "peng2020convolutional",
    "Convolutional Occupancy Networks",
    "Peng, Songyou and Niemeyer, Michael and Mescheder, Lars and Pollefeys, Marc and Geiger, Andreas",
    ECCV, 2020, "2003.04618",
)  # fmt: skip
SHAPE_AS_POINTS = Paper(
    "peng2021shape",
    "Shape As Points: A Differentiable Poisson Solver",
    "Peng, Songyou and Jiang, Chiyu and Liao, Yiyi and Niemeyer, Michael and Pollefeys, Marc"
    " and Geiger, Andreas",
    NEURIPS, 2021, "2106.03452",
)  # fmt: skip
SIF = Paper(
    "genova2019learning",
    "Learning Shape Templates with Structured Implicit Functions",
    "Genova, Kyle and Cole, Forrester and Vlasic, Daniel and Sarna, Aaron and Freeman, William T."
    " and Funkhouser, Thomas",
    ICCV, 2019, "1904.06447",
)  # fmt: skip

PAPERS: dict[str, tuple[Paper, ...]] = {
    "gauss": (
        Paper(
            "lin2022surface",
            "Surface Reconstruction from Point Clouds without Normals by Parametrizing the Gauss Formula",
            "Lin, Siyou and Xiao, Dong and Shi, Zuoqiang and Wang, Bin",
            TOG, 2022, "2111.09066", journal=True,
        ),
        SHAPE_AS_POINTS,
        Paper(
            "kazhdan2013screened",
            "Screened Poisson Surface Reconstruction",
            "Kazhdan, Michael and Hoppe, Hugues",
            TOG, 2013, journal=True,
        ),
    ),
    "indicator": (CONVONET, SHAPE_AS_POINTS),
    "onet": (ONET,),
    "convonet": (CONVONET,),
    "grid": (
        Paper(
            "mueller2022instant",
            "Instant Neural Graphics Primitives with a Multiresolution Hash Encoding",
            'M{\\"u}ller, Thomas and Evans, Alex and Schied, Christoph and Keller, Alexander',
            TOG, 2022, "2201.05989", journal=True,
        ),
    ),
    "deepsdf": (
        Paper(
            "park2019deepsdf",
            "DeepSDF: Learning Continuous Signed Distance Functions for Shape Representation",
            "Park, Jeong Joon and Florence, Peter and Straub, Julian and Newcombe, Richard"
            " and Lovegrove, Steven",
            CVPR, 2019, "1901.05103",
        ),
    ),
    "imnet": (
        Paper(
            "chen2019learning",
            "Learning Implicit Fields for Generative Shape Modeling",
            "Chen, Zhiqin and Zhang, Hao",
            CVPR, 2019, "1812.02822",
        ),
    ),
    "ldif": (
        Paper(
            "genova2020local",
            "Local Deep Implicit Functions for 3D Shape",
            "Genova, Kyle and Cole, Forrester and Sud, Avneesh and Sarna, Aaron and Funkhouser, Thomas",
            CVPR, 2020, "1912.06126",
        ),
        SIF,
    ),
    "atlasnet": (
        Paper(
            "groueix2018papier",
            "A Papier-M{\\^a}ch{\\'e} Approach to Learning 3D Surface Generation",
            "Groueix, Thibault and Fisher, Matthew and Kim, Vladimir G. and Russell, Bryan C."
            " and Aubry, Mathieu",
            CVPR, 2018, "1802.05384",
        ),
    ),
    "psgn": (
        Paper(
            "fan2017point",
            "A Point Set Generation Network for 3D Object Reconstruction from a Single Image",
            "Fan, Haoqiang and Su, Hao and Guibas, Leonidas J.",
            CVPR, 2017, "1612.00603",
        ),
    ),
    "voxel_decoder": (
        Paper(
            "choy20163d",
            "3D-R2N2: A Unified Approach for Single and Multi-view 3D Object Reconstruction",
            "Choy, Christopher B. and Xu, Danfei and Gwak, JunYoung and Chen, Kevin and Savarese, Silvio",
            ECCV, 2016, "1604.00449",
        ),
    ),
    "dvr": (
        Paper(
            "niemeyer2020differentiable",
            "Differentiable Volumetric Rendering: Learning Implicit 3D Representations without"
            " 3D Supervision",
            "Niemeyer, Michael and Mescheder, Lars and Oechsle, Michael and Geiger, Andreas",
            CVPR, 2020, "1912.07372",
        ),
    ),
    "idr": (
        Paper(
            "yariv2020multiview",
            "Multiview Neural Surface Reconstruction by Disentangling Geometry and Appearance",
            "Yariv, Lior and Kasten, Yoni and Moran, Dror and Galun, Meirav and Atzmon, Matan"
            " and Basri, Ronen and Lipman, Yaron",
            NEURIPS, 2020, "2003.09852",
        ),
    ),
    "radiance": (
        Paper(
            "sun2022direct",
            "Direct Voxel Grid Optimization: Super-fast Convergence for Radiance Fields Reconstruction",
            "Sun, Cheng and Sun, Min and Chen, Hwann-Tzong",
            CVPR, 2022, "2111.11215",
        ),
        Paper(
            "yariv2021volume",
            "Volume Rendering of Neural Implicit Surfaces",
            "Yariv, Lior and Gu, Jiatao and Kasten, Yoni and Lipman, Yaron",
            NEURIPS, 2021, "2106.12052",
        ),
    ),
    "nerf": (
        Paper(
            "mildenhall2020nerf",
            "NeRF: Representing Scenes as Neural Radiance Fields for View Synthesis",
            "Mildenhall, Ben and Srinivasan, Pratul P. and Tancik, Matthew and Barron, Jonathan T."
            " and Ramamoorthi, Ravi and Ng, Ren",
            ECCV, 2020, "2003.08934",
        ),
    ),
}  # fmt: skip
"""By the name of the system, what it is first."""
