"""Documents as people read them: HTML with a print style sheet, codes with their words, the paper mark.

`render(…)` for one document, `standard.write_pages(…)` for a profile's technical standard.  The templates are
part of this package; fonts are those of the reader.
"""

from .document import render
from .paper_mark import PaperMark, paper_mark

__all__ = ["PaperMark", "paper_mark", "render"]
