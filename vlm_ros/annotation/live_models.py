"""The models of a plan as the one model that a worker owns."""

from collections.abc import Callable

from vlm_ros.annotation.annotator import Annotator
from vlm_ros.annotation.loading import load_annotator
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.tasks import Model


class PlanModels:
    """Loaded together and freed together; see `vlm_ros.tasks.Model`.

    Args:
        annotator: Has them.

    Attributes:
        annotator: The same.
    """

    def __init__(self, annotator: Annotator) -> None:
        self.annotator = annotator
        records = annotator.models.records()
        self.model_id = ', '.join(dict.fromkeys(record.model_id for record in records))
        self.model_revision = ', '.join(dict.fromkeys(row.model_revision for row in records))
        models = [model for model in vars(annotator.models).values() if isinstance(model, Model)]
        self.device = ', '.join(dict.fromkeys(model.device for model in models))
        self.needs_warm_up = any(getattr(model, 'needs_warm_up', True) for model in models)

    def close(self) -> None:
        """Free the weights; may be repeated."""
        self.annotator.close()


def annotator_of(model: Model) -> Annotator:
    """Return what does the work of a model that `loader` loaded."""
    assert isinstance(model, PlanModels)
    return model.annotator


def loader(plan: AnnotationPlan) -> Callable[[], PlanModels]:
    """Return what loads the models of a plan."""
    return lambda: PlanModels(load_annotator(plan))
