"""Instruction-tuned models that talk about one or more images."""

from functools import partial

from vlm_ros.backends.catalogue.card import ModelCard

_ONE_IMAGE = ('caption', 'answer', 'verify', 'match')
_FRAMES = (*_ONE_IMAGE, 'caption_frames', 'answer_frames')
_BOXES = ('detect', 'ground')

_CHAT = partial(
    ModelCard,
    backend='chat',
    tasks=_FRAMES,
    code_licence='Apache-2.0',
    weights_licence='Apache-2.0',
)
_SMOLVLM2 = partial(_CHAT, paper='2504.05299', notes='needs num2words and torchvision; English')
_LLAVA_ONEVISION = partial(_CHAT, paper='2408.03326')
_QWEN_2_5_VL = partial(
    _CHAT,
    tasks=(*_FRAMES, *_BOXES),
    paper='2502.13923',
    safetensors=True,
    notes='boxes in pixels of the resized image; needs torchvision and a GPU',
)
_QWEN3_VL = partial(
    _CHAT,
    tasks=(*_FRAMES, *_BOXES),
    paper='2511.21631',
    safetensors=True,
    notes='boxes in thousandths of each side; needs torchvision and a GPU',
)
_QWEN3_5 = partial(
    _QWEN3_VL,
    paper='https://huggingface.co/Qwen/Qwen3.5-4B',
    notes='size as its name says; boxes in thousandths of each side; turn thinking off',
)
_INTERNVL3 = partial(
    _CHAT,
    tasks=(*_FRAMES, *_BOXES),
    code_licence='MIT',
    paper='2504.10479',
    notes='boxes in thousandths of each side; needs torchvision',
)
_INTERNVL3_5 = partial(_INTERNVL3, paper='2508.18265')
_GEMMA_4 = partial(
    _CHAT,
    tasks=(*_FRAMES, *_BOXES),
    safetensors=True,
    paper='https://huggingface.co/google/gemma-4-E4B-it',
    notes='boxes in thousandths, y before x, of which its authors promise nothing; needs a GPU',
)

CHAT = (
    _SMOLVLM2(
        model_id='HuggingFaceTB/SmolVLM2-500M-Video-Instruct',
        architecture='SmolVLM2-500M',
        revision='7b375e1b73b11138ff12fe22c8f2822d8fe03467',
        parameters_m=507,
    ),
    _SMOLVLM2(
        model_id='HuggingFaceTB/SmolVLM2-256M-Video-Instruct',
        architecture='SmolVLM2-256M',
        revision='067788b187b95ebe7b2e040b3e4299e342e5b8fd',
        parameters_m=256,
    ),
    _SMOLVLM2(
        model_id='HuggingFaceTB/SmolVLM2-2.2B-Instruct',
        architecture='SmolVLM2-2.2B',
        revision='482adb537c021c86670beed01cd58990d01e72e4',
        parameters_m=2250,
    ),
    _CHAT(
        model_id='HuggingFaceM4/Idefics3-8B-Llama3',
        architecture='Idefics3-8B',
        revision='fddb4ff79181e55a994674777e06cd5456ce3dc3',
        parameters_m=8460,
        paper='2408.12637',
        terms='its language model is Llama 3.1, whose licence restricts some uses',
        notes='the open successor of Flamingo in this list; needs a GPU',
    ),
    _CHAT(
        model_id='llava-hf/llava-1.5-7b-hf',
        architecture='LLaVA-1.5-7B',
        tasks=_ONE_IMAGE,
        revision='b234b804b114d9e37bb655e11cbbb5f5e971b7a9',
        parameters_m=7063,
        weights_licence='Llama 2 Community License',
        paper='2310.03744',
        terms='the Llama 2 licence restricts some uses',
        notes='needs a GPU',
    ),
    _CHAT(
        model_id='llava-hf/llava-v1.6-mistral-7b-hf',
        architecture='LLaVA-NeXT-7B',
        tasks=_ONE_IMAGE,
        parameters_m=7570,
        paper='https://llava-vl.github.io/blog/2024-01-30-llava-next/',
        notes='up to 5 tiles of an image; needs a GPU',
    ),
    _LLAVA_ONEVISION(
        model_id='llava-hf/llava-onevision-qwen2-0.5b-ov-hf',
        architecture='LLaVA-OneVision-0.5B',
        revision='74dd0bf867a4cda7950c17663794267c60cf4b40',
        safetensors=True,
        parameters_m=893.7,
        notes='needs torchvision',
    ),
    _QWEN_2_5_VL(
        model_id='Qwen/Qwen2.5-VL-3B-Instruct',
        architecture='Qwen2.5-VL-3B',
        revision='66285546d2b821cf421d4f5eb2576359d3770cd3',
        parameters_m=3755,
        weights_licence='Qwen Research License',
        terms='not for commercial use',
    ),
    _QWEN_2_5_VL(
        model_id='Qwen/Qwen2.5-VL-7B-Instruct',
        architecture='Qwen2.5-VL-7B',
        revision='cc594898137f460bfe9f0759e9844b3ce807cfb5',
        parameters_m=8292,
    ),
    _QWEN3_VL(
        model_id='Qwen/Qwen3-VL-2B-Instruct',
        architecture='Qwen3-VL-2B',
        revision='89644892e4d85e24eaac8bacfd4f463576704203',
        parameters_m=2128,
    ),
    _QWEN3_VL(
        model_id='Qwen/Qwen3-VL-4B-Instruct',
        architecture='Qwen3-VL-4B',
        revision='ebb281ec70b05090aa6165b016eac8ec08e71b17',
        parameters_m=4438,
    ),
    _QWEN3_VL(
        model_id='Qwen/Qwen3-VL-8B-Instruct',
        architecture='Qwen3-VL-8B',
        revision='0c351dd01ed87e9c1b53cbc748cba10e6187ff3b',
        parameters_m=8767,
    ),
    _QWEN3_5(
        model_id='Qwen/Qwen3.5-0.8B',
        architecture='Qwen3.5-0.8B',
        revision='2fc06364715b967f1860aea9cf38778875588b17',
        parameters_m=800,
    ),
    _QWEN3_5(
        model_id='Qwen/Qwen3.5-2B',
        architecture='Qwen3.5-2B',
        revision='15852e8c16360a2fea060d615a32b45270f8a8fc',
        parameters_m=2000,
    ),
    _QWEN3_5(
        model_id='Qwen/Qwen3.5-4B',
        architecture='Qwen3.5-4B',
        revision='851bf6e806efd8d0a36b00ddf55e13ccb7b8cd0a',
        parameters_m=4000,
    ),
    _INTERNVL3(
        model_id='OpenGVLab/InternVL3-1B-hf',
        architecture='InternVL3-1B',
        revision='014c0583a0d4bedf29fbe2dbff4f865eb998e171',
        parameters_m=938,
    ),
    _INTERNVL3_5(
        model_id='OpenGVLab/InternVL3_5-1B-HF',
        architecture='InternVL3.5-1B',
        revision='9191dbccf312b537016f041b25d61c72e7c5c9f3',
        parameters_m=1060.9,
    ),
    _CHAT(
        model_id='google/paligemma2-3b-mix-224',
        architecture='PaliGemma 2 3B',
        tasks=(*_ONE_IMAGE, *_BOXES),
        revision='8e40ab4cc5df93dfb7fd2fff754bcdff8b62ee78',
        parameters_m=3033,
        weights_licence='Gemma Terms of Use',
        paper='2412.03555',
        terms='gated: accept the Gemma terms on its page, then download with your account',
        notes='no chat: a task prefix; boxes as four <loc0000> words, y before x; needs a GPU',
    ),
    _GEMMA_4(
        model_id='google/gemma-4-E2B-it',
        architecture='Gemma 4 E2B',
        revision='9dbdf8a839e4e9e0eb56ed80cc8886661d3817cf',
        parameters_m=5123,
    ),
    _GEMMA_4(
        model_id='google/gemma-4-E4B-it',
        architecture='Gemma 4 E4B',
        revision='ee0ef6023621cff504d758262d4e04895a5af4a2',
        parameters_m=8000,
    ),
)
