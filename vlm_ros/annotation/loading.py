"""The models of a plan."""

from vlm_ros import backends
from vlm_ros.annotation.annotator import Annotator, Models
from vlm_ros.annotation.plan import AnnotationPlan, BackendPlan, Job
from vlm_ros.errors import BackendError
from vlm_ros.tasks import Model, tasks_of

TASK: dict[Job, str] = {
    'boxes': 'detect',
    'masks': 'segment',
    'caption': 'caption',
    'answers': 'answer',
    'tags': 'classify',
}
_FIELD = {
    'boxes': 'detector',
    'masks': 'segmenter',
    'caption': 'captioner',
    'answers': 'answerer',
    'tags': 'classifier',
}


def check_models(plan: AnnotationPlan) -> None:
    """See, before anything is loaded, that the backends of a plan can do what it wants.

    What depends on the model, or on another package, is seen when that is loaded.

    Raises:
        BackendError: There is no such backend, or it cannot do what it is wanted for.
        VocabularyError: The names cannot be looked for.
    """
    plan.prompts()
    detects = 'detect' in _tasks(plan, 'boxes')
    for job in plan.jobs():
        # Questions are answered by what is seen, too.
        if TASK[job] not in _tasks(plan, job) and not (job == 'answers' and detects):
            raise _unfit(plan.backends.get(job, plan.backend), job)


def _tasks(plan: AnnotationPlan, job: Job) -> tuple[str, ...]:
    return backends.tasks_named(plan.backends.get(job, plan.backend).name)


def _unfit(wanted: BackendPlan, job: Job) -> BackendError:
    return BackendError(
        f'the backend {wanted.name!r} cannot {TASK[job]}, which {job} need; name one that can: '
        f'--use {job}=BACKEND, see vlm-ros backends'
    )


def load_annotator(plan: AnnotationPlan, *, threads: int = 0) -> Annotator:
    """Load the models of a plan, each once, however much it does.

    Args:
        plan: What there is to do.
        threads: Of each model, where it can be told; 0 for its own choice.

    Raises:
        BackendError: One cannot be loaded, or cannot do what it is wanted for.
        InputError: The plan cannot be followed.
    """
    plan.prompts()  # what cannot be looked for is said before anything is loaded
    loaded: list[tuple[BackendPlan, Model]] = []
    chosen: dict[str, Model] = {}
    try:
        for job in _needed(plan):
            wanted = plan.backends.get(job, plan.backend)
            model = next((model for known, model in loaded if known == wanted), None)
            if model is None:
                model = _load(wanted, threads)
                loaded.append((wanted, model))
            if TASK[job] in tasks_of(model):
                chosen[_FIELD[job]] = model
            elif job in plan.jobs() and not (job == 'answers' and 'detector' in chosen):
                raise _unfit(wanted, job)
        return Annotator(plan, Models(**chosen))  # type: ignore[arg-type]
    except BaseException:
        for _, model in loaded:
            model.close()
        raise


def _needed(plan: AnnotationPlan) -> tuple[Job, ...]:
    jobs = plan.jobs()
    # Questions are answered by what is seen, where there is something that sees.
    return ('boxes', *jobs) if 'answers' in jobs and 'boxes' not in jobs else jobs


def _load(wanted: BackendPlan, threads: int) -> Model:
    options = {'device': wanted.device, 'model': wanted.model, **wanted.options}
    if threads and 'threads' not in options:
        try:
            return backends.load(wanted.name, **{**options, 'threads': threads})
        except BackendError:
            pass  # it has no such option; whatever else is wrong is wrong once more below
    return backends.load(wanted.name, **options)
