"""Model search: preprocessing, regions and latent variables, by cross-validation that splits no batch."""

from baro.science.chemometrics.search.judging import Judgement, judge
from baro.science.chemometrics.search.running import Progress, search
from baro.science.chemometrics.search.space import Candidate, SearchSpace

__all__ = ["Candidate", "Judgement", "Progress", "SearchSpace", "judge", "search"]
