"""A simulator of vLLM: one running program plays every model-server pod of one region, or just the pod it runs in.

What it copies: the OpenAI-compatible routes, streams, limits on running and waiting requests, first-token and
inter-token times that grow with load, vLLM's metric names and its blind spots (see `metrics`), a kubelet's
readiness (see `kubelet`), and faults that can be switched on and off while it serves (see `faults`).

What it does not model:
- tokenisation: a token is a word, and a nonce that a real tokeniser would split is one token here;
- batching efficiency: prefill does not slow the decoding of others, there is no chunked prefill and no step
  time shared by a batch; each request's speed depends on the number of running requests alone;
- KV-cache paging, prefix caching, preemption, swapping: usage is tokens held over a fixed size, and
  `num_preemptions_total` stays 0;
- GPUs, their memory, their errors, and the network between them; weights load by waiting;
- sampling: answers are a pure function of model and prompt (`answers`), temperature and the like are
  checked and ignored;
- several engines a server (data parallelism), LoRA, tools, log probabilities, `n` > 1, authentication;
- init containers, side-cars, readiness gates and the phases of start-up: a pod is its one model container.
"""
