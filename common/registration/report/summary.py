"""What a reader must know first: the verdict, the contrast, the warnings; every sentence is escaped."""

import html
from collections.abc import Iterable, Mapping
from typing import Any

from .tables import at

CHOSEN_BY = {"auto": "chosen from the images", "user": "chosen by the user", "bundle": "of the bundle"}
TOOK_PART = {
    "fixed_mask": "A mask tells where the fixed image was compared.",
    "moving_mask": "A mask tells where the moving image was compared.",
    "labels": "The labels took part: Dice of labels that took part is no test.",
    "points": "The landmarks took part: the error of landmarks that took part is no test.",
}
GRADES = ("failed", "doubtful", "good")  # worst first


def summary(metrics: Mapping[str, Any]) -> str:
    """Verdict and reasons, how the images were compared, what took part, and warnings, as far as metrics.json has them.

    Example:
        >>> summary({"contrast": {"similarity": "lncc", "chosen_by": "auto", "reason": "one contrast"}})
        '<p>Similarity: lncc, chosen from the images: one contrast</p>'
        >>> summary({})
        ''
    """
    return "\n".join(filter(None, [_verdict(metrics), _contrast(metrics), _took_part(metrics), _warnings(metrics)]))


def badge(grade: str) -> str:
    """A grade as a colored word.

    Example:
        >>> badge("good")
        '<strong class="grade good">good</strong>'
    """
    return f'<strong class="grade {_style(grade)}">{html.escape(grade)}</strong>'


def bullets(sentences: Iterable[str]) -> str:
    """A list; "" without sentences.

    Example:
        >>> bullets(["1 < 2"])
        '<ul><li>1 &lt; 2</li></ul>'
    """
    lines = "".join(f"<li>{html.escape(str(sentence))}</li>" for sentence in sentences)
    return f"<ul>{lines}</ul>" if lines else ""


def _style(grade: str) -> str:
    return grade if grade in GRADES else "unknown"


def _verdict(metrics: Mapping[str, Any]) -> str:
    grade = at(metrics, ("verdict", "grade"))
    if not grade:
        return ""
    content = f"<p>Verdict: {badge(grade)}</p>{bullets(at(metrics, ('verdict', 'reasons')) or [])}"
    return f'<section class="verdict {_style(grade)}" aria-label="Verdict">{content}</section>'


def _contrast(metrics: Mapping[str, Any]) -> str:
    contrast = at(metrics, ("contrast",))
    if not contrast:
        return ""
    similarity, chosen_by = f"Similarity: {contrast.get('similarity')}", CHOSEN_BY.get(contrast.get("chosen_by"))
    words = [", ".join(filter(None, [similarity, chosen_by])), contrast.get("reason")]
    return f"<p>{html.escape(': '.join(filter(None, words)))}</p>"


def _took_part(metrics: Mapping[str, Any]) -> str:
    sentences = [TOOK_PART[name] for name in at(metrics, ("took_part",)) or [] if name in TOOK_PART]
    return f"<p>{' '.join(sentences)}</p>" if sentences else ""


def _warnings(metrics: Mapping[str, Any]) -> str:
    lines = bullets(at(metrics, ("warnings",)) or [])
    return f'<section class="warnings" aria-label="Warnings"><p>Warnings</p>{lines}</section>' if lines else ""
