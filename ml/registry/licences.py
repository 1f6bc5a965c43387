"""Licences of models, and which a person must accept before anything is fetched. Pure."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Licence:
    """`terms` is one sentence for who has to decide."""

    id: str
    title: str
    url: str
    terms: str
    must_accept: bool = False


LICENCES: Final[tuple[Licence, ...]] = (
    Licence("MIT", "MIT License", "https://opensource.org/license/mit", "Free for any use."),
    Licence(
        "Apache-2.0",
        "Apache License 2.0",
        "https://www.apache.org/licenses/LICENSE-2.0",
        "Free for any use.",
    ),
    Licence(
        "CC-BY-4.0",
        "Creative Commons Attribution 4.0",
        "https://creativecommons.org/licenses/by/4.0/",
        "Free for any use with the author's name.",
    ),
    Licence(
        "CC0-1.0", "Public domain", "https://creativecommons.org/publicdomain/zero/1.0/", "Free for any use."
    ),
    Licence(
        "InsightFace-NC",
        "InsightFace model weights",
        "https://github.com/deepinsight/insightface#license",
        "The weights are for non-commercial research only. Do not accept this for a business.",
        must_accept=True,
    ),
    Licence(
        "AGPL-3.0",
        "GNU Affero General Public License 3.0",
        "https://www.gnu.org/licenses/agpl-3.0.html",
        "Who offers this service to others must offer them its source too, or buy another licence from Ultralytics.",
        must_accept=True,
    ),
)
BY_ID: Final = {licence.id: licence for licence in LICENCES}
