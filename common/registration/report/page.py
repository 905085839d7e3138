"""The HTML of a report. Words and data come from :mod:`.write`, behavior from :mod:`.drawing` and :mod:`.viewer`."""

from collections.abc import Sequence

from .pictures import AXIAL, CORONAL, SAGITTAL

PLANES = (AXIAL, CORONAL, SAGITTAL)  # as readers are used to them
VIEWS = (  # id, caption, alternative text
    ("fixed", "fixed", "fixed image"),
    ("before", "moving, initial alignment", "moving image in its initial alignment"),
    ("after", "warped", "warped moving image"),
    ("compare-before", "fixed and moving", "comparison of fixed and moving image"),
    ("compare-after", "fixed and warped", "comparison of fixed and warped image"),
    ("field", "deformation", "deformation"),
)
COMPARISONS = ("difference", "checkerboard", "blend", "flicker", "edges")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

PAGE = r"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{{policy}}">
<title>{{title}}</title>
<link rel="icon" href="data:,">
<style>{{style}}</style>
</head>
<body>
<h1>{{title}}</h1>
{{summary}}
<noscript>
<p>Slices need JavaScript. The middle axial slices of fixed, moving and warped image, right side left:</p>
<img class="still" src="{{still}}" alt="Middle axial slices of fixed, moving and warped image">
</noscript>
<main id="views">
<div class="controls">
<label>Planes <select id="planes"><option value="">all three</option>{{plane_options}}</select></label>
{{sliders}}
<label>Order <select id="order">
<option value="radiological">radiological: right side left</option>
<option value="neurological">neurological: left side left</option>
</select></label>
<label><input id="cursor" type="checkbox" checked> cursor</label>
</div>
<div class="controls">
<label>Comparison <select id="comparison">{{comparison_options}}</select></label>
<label data-for="checkerboard">squares <input id="squares" type="range" min="2" max="24" value="8"></label>
<label data-for="blend">share of the other <input id="share" type="range" min="0" max="100" value="50"></label>
<label>Deformation <select id="deformation">
<option value="jacobian">Jacobian</option><option>displacement</option></select></label>
<label><input id="grid" type="checkbox" checked> grid</label>
{{mark_controls}}
</div>
<div class="legend">
<output id="place" aria-live="polite"></output>
<span data-for="difference">difference to fixed, each image scaled to its range: −50 %
<i class="bar diverging"></i> +50 %</span>
<span data-for="checkerboard">checkerboard</span>
<span data-for="blend">blend</span>
<span data-for="flicker">flicker, twice a second</span>
<span data-for="edges"><i class="swatch fixed-color"></i> edges of the fixed image</span>
<span data-for="jacobian">Jacobian determinant: ½ <i class="bar diverging"></i> 2
<i class="swatch fold-color"></i> fold</span>
<span data-for="displacement">displacement without the affine part: 0
<i class="bar sequential"></i> <b id="longest"></b> mm</span>
<span>grid without the affine part</span>
{{mark_legend}}
</div>
{{planes}}
</main>
<div class="tables">
{{tables}}
</div>
<script type="application/json" id="data">{{data}}</script>
<script>{{script}}</script>
</body>
</html>
"""

MARK_LEGEND = """<span><i class="swatch fixed-color"></i> labels (lines) and landmarks (rings) of the fixed image</span>
<span><i class="swatch moving-color"></i> those of the moving image</span>"""


def options(names: Sequence[str]) -> str:
    """Choices of a list.

    Example:
        >>> options(["a", "b"])
        '<option>a</option><option>b</option>'
    """
    return "".join(f"<option>{name}</option>" for name in names)


def comparisons(one_contrast: bool) -> tuple[str, ...]:
    """Ways to compare two images, the best first; across contrasts a difference of intensities means nothing.

    Example:
        >>> comparisons(one_contrast=False)
        ('edges', 'checkerboard', 'blend', 'flicker')
    """
    return COMPARISONS if one_contrast else ("edges", *COMPARISONS[1:-1])


def sliders() -> str:
    """A slider through the slices of each plane; they move the cursor."""
    return "\n".join(
        f'<label>{plane.name} <input id="slice-{plane.name}" type="range" min="0" value="0"></label>'
        for plane in PLANES
    )


def panes() -> str:
    """Three sections, one per plane, of six pictures each."""
    return "\n".join(_section(plane.name) for plane in PLANES)


def mark_controls(numbers: Sequence[int], has_points: bool) -> str:
    """Switches of contours and landmarks, where there are any."""
    controls = []
    if numbers:
        choices = "".join(f'<option value="{code}">{number}</option>' for code, number in enumerate(numbers, start=1))
        controls.append(
            '<label>Labels <select id="label"><option value="all">all</option><option value="none">none</option>'
            f"{choices}</select></label>"
        )
    if has_points:
        controls.append('<label><input id="landmarks" type="checkbox" checked> landmarks</label>')
    return "\n".join(controls)


def _section(plane: str) -> str:
    figures = "\n".join(
        f'<figure><figcaption>{caption}</figcaption><canvas id="{plane}-{view}" role="img"'
        f' aria-label="{plane} slice: {text}"></canvas></figure>'
        for view, caption, text in VIEWS
    )
    return f'<section class="plane" id="{plane}"><h2>{plane}</h2><div class="panes">\n{figures}\n</div></section>'
