"""What happens to each outcome: extracted, checked, priced, on disk, counted."""

import logging
from collections.abc import Sequence

from config.clock import Clock
from config.collection_settings import CollectionSettings
from prompts.problems import Problem
from processors.code_candidates import Extraction
from processors.solution_extractor import SolutionExtractor
from runners.answer_record import answer_record, failure_record
from runners.lane import Lane
from runners.llm_extraction import ExtractionAsk
from runners.reliable_call import Answer, GaveUp, ReliableCaller
from storage.progress_tracker import ProgressTracker
from storage.solution_store import SolutionStore

logger = logging.getLogger("collector")
