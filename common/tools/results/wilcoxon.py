"""Wilcoxon's signed-rank test of two rows of scores of the same items."""

from collections.abc import Mapping

from scipy.stats import wilcoxon


def signed_rank_p(scores: Mapping[str, float], others: Mapping[str, float]) -> float:
    """Two-sided p that both rows differ by chance alone, from the items they share: exact for up to 50 without ties.

    Args:
        scores: item → score.
        others: item → score.

    Returns:
        p in (0, 1]; 1 where no shared item differs.

    Raises:
        ValueError: where no item is shared.

    Example:
        >>> row = {"a": 0.5, "b": 0.6, "c": 0.7, "d": 0.8}
        >>> signed_rank_p(row, {item: score - 0.1 * score for item, score in row.items()})  # 2 of 2⁴ signs
        0.125

    Reference:
        Wilcoxon, Biometrics Bulletin 1945; the test of Bigalke et al., MICCAI 2023, section 3.2.
    """
    shared = sorted(scores.keys() & others.keys())
    if not shared:
        raise ValueError(f"expected rows with items in common, got {len(scores)} and {len(others)} without one")
    differences = [scores[item] - others[item] for item in shared]
    return float(wilcoxon(differences).pvalue) if any(differences) else 1.0


def p_text(p: float) -> str:
    """A p as tables show it.

    Example:
        >>> p_text(0.0421), p_text(3e-7)
        ('0.042', '< 0.0001')
    """
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"
