"""Networks on the processor, through OpenVINO."""

import openvino


def compile_for_cpu(
    model: openvino.Model, threads: int, precision: str = 'f32'
) -> openvino.InferRequest:
    """Make a network ready to run, one input at a time.

    Args:
        model: The network.
        threads: CPU threads to run on.
        precision: `f32` or `bf16`.
    """
    compiled = openvino.Core().compile_model(
        model,
        'CPU',
        {
            # Said, because some processors take bfloat16 by default, which changes the scores.
            'INFERENCE_PRECISION_HINT': precision,
            'INFERENCE_NUM_THREADS': threads,
            'NUM_STREAMS': 1,
            # A robot's cores are everybody's: a pinned thread waits for whoever has its core.
            'ENABLE_CPU_PINNING': False,
        },
    )
    return compiled.create_infer_request()
