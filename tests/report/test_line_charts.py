"""Long series as lines of few points."""

import numpy as np

from dogbreed.report.line_charts import MAX_POINTS, cuts, means, middles


def test_lines_of_means_keep_what_is_finite() -> None:
    values = np.arange(6000.0)
    values[:10] = np.nan
    values[10] = np.inf
    parts = cuts(len(values))
    drawn = means(values, parts)
    assert len(drawn) == MAX_POINTS
    assert drawn[:3] == [None, 15.0, 24.5]  # 11 to 19; 20 to 29
    assert middles(np.arange(6000), parts)[:2] == [4, 14]
    assert means(np.array([]), cuts(0)) == middles(np.array([]), cuts(0)) == []
    few = np.array([3.0, np.nan, 1.0])
    assert means(few, cuts(3)) == [3.0, None, 1.0]
