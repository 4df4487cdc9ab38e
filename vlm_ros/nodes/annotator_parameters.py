"""The parameters of the `annotator` node, and the plan that they make."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_ros import backends
from vlm_ros.annotation.live_plan import check_live_formats, live_plan
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.errors import InputError
from vlm_ros.nodes.model_node import ModelNodeParameters
from vlm_ros.nodes.parameters import parameter

IMAGES = ('jpeg', 'png', 'none')


@dataclass(frozen=True)
class AnnotatorParameters(ModelNodeParameters):
    """Parameters of the `annotator` node; what makes the plan counts when it is configured."""

    backend: str = parameter(
        '', "Registered backend name; empty for the plan's. At the next configure."
    )
    device: str = parameter(
        '',
        "Where the models run: auto, cpu, cuda, cuda:1 or mps; empty for the plan's. "
        'At the next configure.',
    )
    output: str = parameter(
        '', 'Folder of the dataset, which is made or gone on with. At the next configure.'
    )
    plan: str = parameter(
        '',
        'YAML file with all that is to be annotated, as for vlm-ros annotate --plan; what is '
        'given besides goes before it. At the next configure.',
    )
    vocabulary: tuple[str, ...] = parameter(
        (),
        "Class names to look for; empty for the plan's. At the next configure.",
        text_or_list=True,
    )
    labels: str = parameter(
        '',
        'A set of labels to look for instead: kitti, nuscenes, bdd100k, carla or coco. '
        'At the next configure.',
    )
    track: bool = parameter(
        False, 'Number things from image to image; also where the plan says so.'
    )
    caption: bool = parameter(False, 'Describe each image; also where the plan says so.')
    max_rate_hz: float = parameter(
        0.0,
        "Annotate no more images of a camera a second; 0 for the plan's, or all it can. "
        'At the next configure.',
        bounds=(0.0, 1000.0),
    )
    images: str = parameter(
        '',
        "How pictures are kept: jpeg, png or none; empty for the plan's, or jpeg. "
        'At the next configure.',
    )
    formats: tuple[str, ...] = parameter(
        (),
        "Formats to export to in the end, as in 'coco, yolo, voc, kitti, mcap'. "
        'At the next configure.',
        text_or_list=True,
    )
    part_s: float = parameter(
        30.0, 'Write what was annotated at least so often, in seconds.', bounds=(1.0, 3600.0)
    )
    finish_timeout_s: float = parameter(
        30.0,
        'Seconds that putting the dataset together may take in the end; what is left is done at '
        'the next start.',
        bounds=(0.1, 3600.0),
    )
    max_image_age_s: float = parameter(
        5.0, 'Warn on /diagnostics once the images are older.', bounds=(0.1, 3600.0)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.images not in ('', *IMAGES):
            raise InputError(
                f"parameter 'images' is {self.images!r}; it must be one of {', '.join(IMAGES)}"
            )
        if self.fallback:
            raise InputError(
                'a dataset holds what one set of models saw; leave fallback out, the images that '
                'a model fails at are listed'
            )

    def make_plan(self, topics: Sequence[str]) -> AnnotationPlan:
        """Return the plan.

        Args:
            topics: The cameras', in full.

        Raises:
            InputError: There is no output, or the plan cannot be followed.
            BackendError: An option's name looks like that of a secret.
        """
        if not self.output:
            raise InputError("there is no output; give the dataset's folder, output:=FOLDER")
        plan = live_plan(
            topics,
            self.plan,
            wanted={
                'vocabulary': self.vocabulary or None,
                'label_set': self.labels or None,
                'track': self.track or None,
                'caption': self.caption or None,
                'images': self.images.replace('none', '') if self.images else None,
            },
            backend={
                'name': self.backend or None,
                'model': self.model or None,
                'device': self.device or None,
            },
            options=backends.parse_options(
                backends.split_options(self.backend_options), 'backend_options'
            ),
            rate_hz=self.max_rate_hz or None,
        )
        check_live_formats(plan, self.formats)
        plan.prompts()
        return plan
