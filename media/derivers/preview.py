"""A preview (fit in 1920 x 1080) and a thumbnail (480) of a picture, from one decode, with placeholders."""

from typing import ClassVar, Final

from media.derivers.base import BaseDeriver, Context, Output, Ready, Result, Subject
from media.images import transform
from media.images.placeholders import placeholder_of
from media.images.transform import Box
from media.tools.vips import PixelLimits

PREVIEW: Final = Box(1920, 1080)
THUMB: Final = Box(480, 480)
QUALITY: Final = 80


class PreviewDeriver(BaseDeriver):
    name: ClassVar[str] = "preview"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "thumbnail"

    def accepts(self, subject: Subject) -> bool:
        return subject.kind == "image"

    def derive(self, context: Context) -> Result:
        path = context.source_path()
        decoded = transform.decode(path, context.subject.mime, PREVIEW, PixelLimits.from_environment())
        context.check()
        thumb = transform.fit(decoded.image, THUMB)
        outputs = []
        for name, image in (("preview.webp", decoded.image), ("thumb.webp", thumb)):
            transform.encode(image, context.scratch / name, "webp", QUALITY)
            outputs.append(Output(name, context.scratch / name, "image/webp"))
        facts = {
            "width": decoded.image.width,
            "height": decoded.image.height,
            "thumb_width": thumb.width,
            "thumb_height": thumb.height,
            **placeholder_of(thumb).as_facts(),
        }
        if decoded.partial:
            facts["partial"] = True
        return Ready(tuple(outputs), facts, {"quality": QUALITY})
