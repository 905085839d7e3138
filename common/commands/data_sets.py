"""The data sets of the five papers, and what else the bundles read: where from, on which terms, in which layout."""

from dataclasses import dataclass
from textwrap import fill

WIDTH = 120


@dataclass(frozen=True)
class DataSet:
    """What ``prepare list`` says of a data set.

    Attributes:
        name: for people.
        bundles: that read it.
        content: subjects and contrasts.
        licence: or terms.
        layout: of the folder that a bundle takes as ``dataset_dir``.
        steps: what is done by hand, and the command after it.
    """

    name: str
    bundles: str
    content: str
    licence: str
    layout: str
    steps: str

    def lines(self) -> str:
        """The entry, indented under its name."""
        facts = {"content": self.content, "licence": self.licence, "layout": self.layout, "by hand": self.steps}
        indented = [
            fill(text, WIDTH, initial_indent=f"  {key:9s}", subsequent_indent=" " * 11, break_on_hyphens=False)
            for key, text in facts.items()
        ]
        return "\n".join([f"{self.name}  ({self.bundles})", *indented])


LEARN2REG = "of the challenge, in the archive's dataset JSON under licence"
LEARN2REG_LAYOUT = "one dataset JSON, imagesTr, labelsTr"


def _learn2reg(task: str) -> str:
    return (
        f"register at learn2reg.grand-challenge.org and download {task}.zip; then learn2reg --task {task} --archive"
        f" {task}.zip --output_dir data/{task}"
    )


DATA_SETS = (
    DataSet(
        "SATA legs, MICCAI 2013",
        "mcd_pemd",
        "9 canine legs, T1 and T2",
        "of the challenge; an account and an application are needed",
        "multi-contrast: dataset.json with subjects; raw: T1 and T2 in the file names, one grid per leg",
        "apply to the organizers of the challenge and download; then sata --dataset_dir RAW --output_dir data/SATA;"
        " the archive was not at hand, so names of another form need a list for folder --images LIST.csv",
    ),
    DataSet(
        "Task04_Hippocampus, Medical Segmentation Decathlon",
        "wasserstein_voxelmorph, cyclical_self_training, mine_voxelmorph",
        "260 labeled T1 regions about the hippocampus",
        "CC-BY-SA 4.0",
        "dataset.json with training, imagesTr, labelsTr, splits.json, val_pairs.json",
        "nothing; hippocampus --output_dir data/Task04_Hippocampus downloads it",
    ),
    DataSet(
        "HippocampusMR, Learn2Reg",
        "wasserstein_voxelmorph, cyclical_self_training",
        "263 labeled T1 regions about the hippocampus",
        LEARN2REG,
        LEARN2REG_LAYOUT + ", splits.json",
        _learn2reg("HippocampusMR"),
    ),
    DataSet(
        "CuRIOUS, RESECT",
        "wasserstein_voxelmorph (mr_us.json)",
        "22 patients, T1 and FLAIR before, ultrasound during surgery, landmarks",
        "RESECT: CC BY 4.0; through Learn2Reg those of the challenge",
        "Case1, Case2, … with Case1-T1.nii.gz, Case1-FLAIR.nii.gz, Case1-US-before.nii.gz, Case1-MRI-beforeUS.tag",
        "download RESECT from archive.sigma2.no and unpack it; the folder is read as it is",
    ),
    DataSet(
        "OASIS-1, as Neurite prepared it",
        "mine_voxelmorph",
        "414 T1 heads, 35 or 4 labels",
        "OASIS data use agreement, oasis-brains.org",
        "OASIS_OAS1_0001_MR1/aligned_norm.nii.gz, aligned_seg35.nii.gz, aligned_seg4.nii.gz",
        "accept the terms, download neurite-oasis.v1.0.tar and unpack it; the folder is read as it is",
    ),
    DataSet(
        "OASIS-2",
        "mine_voxelmorph",
        "373 T1 sessions of 150 persons",
        "OASIS data use agreement, oasis-brains.org",
        "OAS2_0001_MR1/aligned_norm.nii.gz, aligned_seg35.nii.gz; no person is in two parts",
        "accept the terms, download, then FreeSurfer as in docs/training.md; the folder is read as it is",
    ),
    DataSet(
        "ADNI",
        "mine_voxelmorph",
        "435 persons with T1 and FLAIR of one session",
        "ADNI data use agreement; an application at adni.loni.usc.edu is needed",
        "multi-contrast: dataset.json with T1, FLAIR and label per subject, splits.json",
        "apply and download, FreeSurfer as in docs/training.md; then folder --images FREESURFER --output_dir data/ADNI"
        " --tune 24 --val 118",
    ),
    DataSet(
        "AbdomenCTCT, Learn2Reg",
        "cyclical_self_training",
        "30 abdominal CTs of different persons, 13 labels",
        LEARN2REG,
        LEARN2REG_LAYOUT,
        _learn2reg("AbdomenCTCT"),
    ),
    DataSet(
        "DIR-Lab COPDgene",
        "cyclical_self_training_points",
        "10 chest CTs exhaled and inhaled, 300 landmarks each",
        "free for research with citation, after registration at dir-lab.com",
        "keypoint archives copd_01.npz, …; raw: copd1/copd1_eBHCT.img, copd1_iBHCT.img, copd1_300_eBH_xyz_r1.txt, …",
        "ask for the access code, download and unpack; then dirlab --dataset_dir RAW --output_dir data/COPD",
    ),
    DataSet(
        "one leg with CT and T1, TCIA Soft-tissue-Sarcoma",
        "mcd_pemd",
        "CT.nii.gz and T1.nii.gz in one world frame",
        "CC BY 3.0",
        "multi-contrast: dataset.json with two regions of the leg as subjects",
        "download STS_002 from cancerimagingarchive.net, convert to NIfTI; then limb --dataset_dir RAW --output_dir"
        " data/limb",
    ),
    DataSet(
        "five heads with T1, T2, FLAIR",
        "mcd_pemd, mine_voxelmorph",
        "stroke01 (VolumeRenderingData), ms07, ms19, ms26 (open MS data), lgg6692 (TCIA), skull-stripped, 1 mm",
        "MIT, CC BY, CC BY 3.0",
        "multi-contrast: dataset.json with subjects",
        "download each, strip the skull, one grid per head; then folder --images HEADS --output_dir data/heads",
    ),
)

LEARN2REG_TASKS = {
    "NLST": "lung CT, inhale and exhale of one person, with lung masks and keypoints",
    "LungCT": "lung CT, inhale and exhale of one person, with lung masks and keypoints",
    "OASIS": "brain T1 of different persons, with 35 labels",
    "AbdomenCTCT": "abdominal CT of different persons, with 13 labels",
    "AbdomenMRCT": "abdominal MR and CT of one person, with 4 labels",
    "HippocampusMR": "hippocampus T1 of different persons, with 2 labels",
}
LEARN2REG_HELP = """{task}: {content}.
1. Register at https://learn2reg.grand-challenge.org and open the page of the data sets. Each set has its own terms,
   printed there and in the archive's dataset JSON under "licence"; read them before you download.
2. Download the archive of {task} with the browser.
3. python scripts/prepare_data.py learn2reg --task {task} --archive ARCHIVE.zip --output_dir data/{task}
The folder then holds one dataset JSON (dataset.json or {task}_dataset.json), imagesTr, and labelsTr, masksTr,
keypointsTr where the set has them. As --dataset_dir, cyclical_self_training takes such sets of images and labels,
cyclical_self_training_points those with keypoints; mine_voxelmorph takes the OASIS of Neurite in place of this one."""


def listed_data_sets() -> str:
    """All entries."""
    return "\n".join(entry.lines() for entry in DATA_SETS)
