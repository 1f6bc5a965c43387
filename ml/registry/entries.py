"""The models that come with Alcoves: their names, files and figures. Weights are never part of it.

Accuracy is what the authors publish, memory what whisper.cpp tells of its models; what nobody tells is not guessed. A
SHA-256 stands here only where the publisher tells it; addresses name a revision where the publisher has such.

faces       detector: SCRFD_10G_KPS in the table of InsightFace's detection/scrfd, which is this file by its digest;
            recogniser: buffalo_l in model_zoo/README.md, IJB-C (E4)
objects     docs.ultralytics.com/tasks/detect: mAP 50-95 (e2e), because these graphs end without NMS; with it 57.5
            README of YOLOX
sounds      the READMEs of EfficientAT, CED and PANNs; the weights of PANNs lie on Zenodo (3987831)
search      README of SigLIP 2 in big_vision; docs/openclip_classification_results.csv of open_clip
"""

from typing import Final

from ml.registry.specs import MEGABYTE, ModelFile, ModelSpec

REFERENCE: Final = "https://s3.rustyguts.net/models"
WHISPER: Final = (
    "https://huggingface.co/ggerganov/whisper.cpp/resolve/5359861c739e955e79d9a303bcbc70fb988958b1"
)
SILERO: Final = "https://huggingface.co/ggml-org/whisper-vad/resolve/main"
SIGLIP: Final = "https://huggingface.co/onnx-community/siglip2-base-patch16-224-ONNX/resolve/ba1f3b0843f24bc5417d38e19c37b287d719b2f4"
CLIP: Final = "https://huggingface.co/immich-app/ViT-B-32__openai/resolve/main"
CLIP_WORDS: Final = (
    "https://raw.githubusercontent.com/openai/CLIP/d05afc436d78f1c48dc0dbf8e5980a9d471f35f6/clip"
)
LABELS_MINIMUM: Final = 1024
ENGLISH: Final = ("en",)
SPOKEN: Final = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi "
    "ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd "
    "gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su"
)
LANGUAGES: Final = tuple(SPOKEN.split(" "))
"""What multilingual whisper models know, in the order of their tokens (whisper.cpp, `g_lang`)."""
LARGE: Final = (*LANGUAGES, "yue")


def sounds(
    model: str,
    title: str,
    file: str,
    rate: int,
    score: str,
    megabytes: int,
    *,
    licence: str,
    available: bool = False,
    default: bool = False,
    note: str = "",
) -> ModelSpec:
    """A tagger with the mel transform inside its graph; all share one table of names."""
    labels = "audioset_class_labels_indices.csv"
    return ModelSpec(
        model,
        "sounds",
        title,
        (
            ModelFile("model", file, file, origin=f"{REFERENCE}/{file}"),
            ModelFile("labels", labels, labels, minimum_size=LABELS_MINIMUM, origin=f"{REFERENCE}/{labels}"),
        ),
        licence=licence,
        contract="audioset",
        accuracy=f"{score} mAP on AudioSet",
        disk_bytes=megabytes * MEGABYTE,
        available=available,
        default=default,
        options={"sample_rate": rate},
        note=note,
    )


TIMES: Final = {
    "tiny": 50,
    "base": 32,
    "small": 16,
    "medium": 6,
    "large-v3": 1,
    "large-v3-q5_0": 3,
    "large-v3-turbo-q5_0": 10,
    "large-v3-turbo-q4_0": 12,
    "distil-large-v3.5-q5": 15,
}
"""Seconds of speech that a processor of the reference reads in one second."""
DETECTOR: Final = ModelFile(
    "vad",
    "ggml-silero-v6.2.0.bin",
    "ggml-silero-v6.2.0.bin",
    size=885_098,
    sha256="2aa269b785eeb53a82983a20501ddf7c1d9c48e33ab63a41391ac6c9f7fb6987",
    minimum_size=500_000,
    origin=f"{SILERO}/ggml-silero-v6.2.0.bin",
)


def speech(
    model: str,
    title: str,
    megabytes: int,
    memory: int,
    errors: str,
    *,
    size: int | None = None,
    sha256: str | None = None,
    origin: str = WHISPER,
    languages: tuple[str, ...] = LANGUAGES,
    default: bool = False,
    note: str = "",
) -> ModelSpec:
    """A whisper model, with the voice detector that runs beside each of them."""
    file = f"ggml-{model}.bin"
    return ModelSpec(
        model,
        "speech",
        title,
        (
            ModelFile("model", file, file, size=size, sha256=sha256, origin=f"{origin}/{file}"),
            DETECTOR,
        ),
        licence="MIT",
        contract="whisper",
        accuracy=f"{errors} WER (clean)",
        speed=f"about {TIMES[model]} times real time" if model in TIMES else "",
        disk_bytes=megabytes * MEGABYTE,
        memory_bytes=memory * MEGABYTE,
        default=default,
        options={"languages": languages},
        note=note,
    )


FACES: Final = (
    ModelSpec(
        "buffalo_l",
        "faces",
        "SCRFD det_10g and ArcFace w600k_r50",
        (
            ModelFile(
                "detector",
                "det_10g.onnx",
                "det_10g.onnx",
                size=16_923_827,
                sha256="5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
                origin=f"{REFERENCE}/det_10g.onnx",
            ),
            ModelFile(
                "recogniser",
                "w600k_r50.onnx",
                "w600k_r50.onnx",
                size=174_383_860,
                sha256="4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
                origin=f"{REFERENCE}/w600k_r50.onnx",
            ),
        ),
        licence="InsightFace-NC",
        contract="scrfd+arcface",
        accuracy="95.40 % AP on WIDER FACE (easy), 97.25 % on IJB-C at 1e-4",
        disk_bytes=191 * MEGABYTE,
        default=True,
        options={"side": 640, "dimensions": 512},
    ),
)
OBJECTS: Final = (
    ModelSpec(
        "yolo26x_fp16",
        "objects",
        "YOLO26x",
        (
            ModelFile(
                "model",
                "yolo26x_fp16.onnx",
                "yolo26x_fp16.onnx",
                origin=f"{REFERENCE}/yolo26x_fp16.onnx",
            ),
        ),
        licence="AGPL-3.0",
        contract="yolo26",
        accuracy="56.9 mAP on COCO",
        disk_bytes=107 * MEGABYTE,
        default=True,
        options={"side": 640},
    ),
    ModelSpec(
        "yolox_x",
        "objects",
        "YOLOX-X",
        (ModelFile("model", "yolox_x_yolo26_contract.onnx", "yolox_x_yolo26_contract.onnx"),),
        licence="Apache-2.0",
        contract="yolo26",
        accuracy="51.1 mAP on COCO",
        disk_bytes=397 * MEGABYTE,
        available=False,
        options={"side": 640},
        note="For whoever cannot take the AGPL. On no mirror: make it with script/export-objects, then import it.",
    ),
)
SOUNDS: Final = (
    sounds(
        *("efficientat_mn04", "EfficientAT mn04", "efficientat_mn04_as.onnx", 32_000, "0.432", 5),
        licence="MIT",
        note="Smallest; quick on small machines.",
    ),
    sounds(
        *("efficientat_mn10", "EfficientAT mn10", "efficientat_mn10_as.onnx", 32_000, "0.471", 20),
        licence="MIT",
        available=True,
        default=True,
        note="Best balance of size and accuracy.",
    ),
    sounds(
        *("efficientat_mn40", "EfficientAT mn40", "efficientat_mn40_as_ext.onnx", 32_000, "0.487", 280),
        licence="MIT",
        note="More accurate, and slower.",
    ),
    sounds(
        *("ced_tiny", "CED-Tiny", "ced_tiny.onnx", 16_000, "0.481", 22),
        licence="Apache-2.0",
        note="Good accuracy for its size.",
    ),
    sounds(*("ced_small", "CED-Small", "ced_small.onnx", 16_000, "0.496", 85), licence="Apache-2.0"),
    sounds(
        *("ced_base", "CED-Base", "ced_base.onnx", 16_000, "0.500", 330),
        licence="Apache-2.0",
        note="The most accurate here.",
    ),
    sounds(
        *("pann_cnn14", "PANNs CNN14", "panns_cnn14.onnx", 32_000, "0.431", 313),
        licence="CC-BY-4.0",
        available=True,
        note="The default of former years, kept for going back.",
    ),
)
SPEECH: Final = (
    speech(
        *("tiny", "Whisper tiny", 75, 390, "7.5 %"),
        size=77_691_713,
        sha256="be07e048e1e599ad46341c8d2a135645097a538221678b7acdd1b1919c6e1b21",
        note="Fastest; good for a first look.",
    ),
    speech(
        *("base", "Whisper base", 142, 500, "5.0 %"),
        size=147_951_465,
        sha256="60ed5bc3dd14eea856493d334349b405782ddcaf0028d4b5df4088345fba2efe",
    ),
    speech(
        *("small", "Whisper small", 466, 1000, "3.4 %"),
        size=487_601_967,
        sha256="1be3a9b2063867b937e64e2ec7483364a79917e157fa98c5d94b5c1fffea987b",
    ),
    speech(
        *("medium", "Whisper medium", 1500, 2500, "3.0 %"),
        size=1_533_763_059,
        sha256="6c14d5adee5f86394037b4e4e8b59f1673b6cee10e3cf0b11bbdbee79c156208",
    ),
    speech(
        *("large-v3", "Whisper large v3", 3100, 3900, "2.7 %"),
        languages=LARGE,
        size=3_095_033_483,
        sha256="64d182b440b98d5203c4f9bd541544d84c605196c4f7b845dfa11fb23594d1e2",
        default=True,
        note="The most accurate.",
    ),
    speech(
        *("large-v3-q5_0", "Whisper large v3, 5 bits", 1080, 1300, "2.9 %"),
        languages=LARGE,
        size=1_081_140_203,
        sha256="d75795ecff3f83b5faa89d1900604ad8c780abd5739fae406de19f23ecd98ad1",
        note="Nearly as accurate with a third of the memory.",
    ),
    speech(
        *("large-v3-turbo-q5_0", "Whisper large v3 turbo, 5 bits", 574, 900, "3.0 %"),
        languages=LARGE,
        size=574_041_195,
        sha256="394221709cd5ad1f40c46e6031ca61bce88931e6e088c188294c6d5a55ffa7e2",
        note="About eight times as fast as large v3.",
    ),
    speech(
        *("large-v3-turbo-q4_0", "Whisper large v3 turbo, 4 bits", 470, 800, "3.2 %"),
        languages=LARGE,
        origin=REFERENCE,
        note="The smallest of the accurate ones.",
    ),
    speech(
        *("distil-large-v3.5-q5", "Distil-Whisper large v3.5, 5 bits", 600, 1000, "3.0 %"),
        origin=REFERENCE,
        languages=ENGLISH,
        note="English only; fast.",
    ),
)
TOKENS: Final = ModelFile(
    "vocabulary",
    "siglip2-base-tokenizer.model",
    "siglip2-base/tokenizer.model",
    size=4_241_003,
    sha256="61a7b147390c64585d6c3543dd6fc636906c9af3865a5548f27f31aee1d4c8e2",
    origin=f"{SIGLIP}/tokenizer.model",
)
SEARCH: Final = (
    ModelSpec(
        "siglip2-base",
        "search",
        "SigLIP 2 base, many languages",
        (
            ModelFile(
                "visual",
                "siglip2-base-visual.onnx",
                "siglip2-base/vision_model.onnx",
                size=371_807_752,
                sha256="c0573e3f4140c3a7c4e9cc5912bd6b26a033b46a6a8e8af26cbea262b163bcad",
                origin=f"{SIGLIP}/onnx/vision_model.onnx",
            ),
            ModelFile(
                "textual",
                "siglip2-base-textual.onnx",
                "siglip2-base/text_model.onnx",
                size=1_129_469_657,
                sha256="baf12d941beabafafb14f7b4adb38dc15be18681b964a84410ec53d9d65e6293",
                origin=f"{SIGLIP}/onnx/text_model.onnx",
            ),
            TOKENS,
        ),
        licence="Apache-2.0",
        contract="siglip",
        accuracy="78.2 % on ImageNet without training for it",
        disk_bytes=1506 * MEGABYTE,
        default=True,
        options={"dimensions": 768, "side": 224},
    ),
    ModelSpec(
        "siglip2-base-int8",
        "search",
        "SigLIP 2 base, many languages, 8 bits",
        (
            ModelFile(
                "visual",
                "siglip2-base-visual-int8.onnx",
                "siglip2-base/vision_model_int8.onnx",
                size=94_553_333,
                sha256="0dd31785a2713f1113ef2272472165c69d580473dae38d7b47568ac587795e70",
                origin=f"{SIGLIP}/onnx/vision_model_int8.onnx",
            ),
            ModelFile(
                "textual",
                "siglip2-base-textual-int8.onnx",
                "siglip2-base/text_model_int8.onnx",
                size=283_438_275,
                sha256="3a0603d3a00c05a80a6ded4743c16aaac7b1e62cdcc7e362e7ce418659b96400",
                origin=f"{SIGLIP}/onnx/text_model_int8.onnx",
            ),
            TOKENS,
        ),
        licence="Apache-2.0",
        contract="siglip",
        accuracy="unknown",
        disk_bytes=383 * MEGABYTE,
        options={"dimensions": 768, "side": 224},
        note="For small machines: a quarter of the size.",
    ),
    ModelSpec(
        "clip-vit-b-32",
        "search",
        "CLIP ViT-B/32",
        (
            ModelFile(
                "visual",
                "clip-vit-b-32-visual.onnx",
                "clip-vit-b-32/visual.onnx",
                size=351_613_724,
                sha256="33a3df41ceef21acdf371af00f6dd0456ec1f9eba24d03a7720f9c3734e40859",
                origin=f"{CLIP}/visual/model.onnx",
            ),
            ModelFile(
                "textual",
                "clip-vit-b-32-textual.onnx",
                "clip-vit-b-32/textual.onnx",
                size=254_193_396,
                sha256="b80cf0af751533a6712d92247f0ddc0c95208748bc59a1a27f33e67be6864e3b",
                origin=f"{CLIP}/textual/model.onnx",
            ),
            ModelFile(
                "vocabulary",
                "clip_bpe_simple_vocab_16e6.txt.gz",
                "clip-vit-b-32/bpe_simple_vocab_16e6.txt.gz",
                size=1_356_917,
                sha256="924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a",
                origin=f"{CLIP_WORDS}/bpe_simple_vocab_16e6.txt.gz",
            ),
        ),
        licence="MIT",
        contract="clip",
        accuracy="63.3 % on ImageNet without training for it",
        disk_bytes=607 * MEGABYTE,
        options={"dimensions": 512, "side": 224},
        note="English only.",
    ),
)
MODELS: Final[tuple[ModelSpec, ...]] = (*FACES, *OBJECTS, *SOUNDS, *SPEECH, *SEARCH)
