"""A preview (fit in 1920 x 1080) and a thumbnail (480) of a picture, from one decode, with placeholders.

The preview of an animation moves, its thumbnail is the first frame. Of a document it is the first page.
"""

from typing import ClassVar, Final

from media.derivers.base import BaseDeriver, Context, Output, Ready, Result, Subject
from media.images import encoding, transform
from media.images.placeholders import placeholder_of
from media.images.transform import Box
from media.tools.vips import PixelLimits

PREVIEW: Final = Box(1920, 1080)
THUMB: Final = Box(480, 480)
QUALITY: Final = 80


class PreviewDeriver(BaseDeriver):
    name: ClassVar[str] = "preview"
    version: ClassVar[int] = 2
    queue: ClassVar[str] = "thumbnail"

    def accepts(self, subject: Subject) -> bool:
        return subject.is_picture

    def derive(self, context: Context) -> Result:
        path, limits = context.source_path(), PixelLimits.from_environment()
        decoded = transform.decode(path, context.subject.mime, PREVIEW, limits, animated=True)
        context.check()
        thumb = transform.fit(decoded.image, THUMB, decoded.deadline)
        preview, small = context.scratch / "preview.webp", context.scratch / "thumb.webp"
        if decoded.animation:
            encoding.encode_animation(decoded.animation, preview, QUALITY, deadline=decoded.deadline)
        else:
            encoding.encode(decoded.image, preview, "webp", QUALITY, deadline=decoded.deadline)
        encoding.encode(thumb, small, "webp", QUALITY, deadline=decoded.deadline)
        outputs = tuple(Output(out.name, out, "image/webp") for out in (preview, small))
        facts = {
            "width": decoded.image.width,
            "height": decoded.image.height,
            "thumb_width": thumb.width,
            "thumb_height": thumb.height,
            **placeholder_of(thumb).as_facts(),
        }
        if decoded.partial:
            facts["partial"] = True
        if decoded.animation:
            facts["frames"] = len(decoded.animation.frames)
        return Ready(outputs, facts, {"quality": QUALITY})
