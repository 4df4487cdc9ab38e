"""Greedy generation against the library's own, with a tiny language model and a real tokenizer."""

import math

import pytest
from tiny._chat import TEXT, tokenizer
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from vlm_ros.backends.engine.generation import end_tokens, generate, generate_batch
from vlm_ros.errors import DeadlineExceeded, ModelError, WorkCancelled
from vlm_ros.tasks import Ticket

PROMPTS = ('a cat sleeps on the table', 'how many dogs are there?', 'two')
END = 4


@pytest.fixture(scope='module')
def tokens():
    return tokenizer()


@pytest.fixture(scope='module')
def model(tokens):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = LlamaForCausalLM(
            LlamaConfig(vocab_size=len(tokens), **TEXT, eos_token_id=END, pad_token_id=0)
        )
        with torch.no_grad():
            for parameter in made.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(std=0.3)
    return made.eval()


def own_way(model, tokens, prompt, count):
    inputs = tokens(prompt, return_tensors='pt')
    made = model.generate(
        **inputs,
        do_sample=False,
        max_new_tokens=count,
        return_dict_in_generate=True,
        output_logits=True,
    )
    new = made.sequences[0, inputs['input_ids'].shape[1] :].tolist()
    chances = [row[0].softmax(-1)[token] for row, token in zip(made.logits, new, strict=True)]
    return new, math.prod(map(float, chances)) ** (1 / len(chances))


@pytest.mark.parametrize('prompt', PROMPTS)
def test_writes_what_the_library_writes(prompt, model, tokens):
    texts = []
    written = generate(
        model,
        tokens,
        tokens(prompt, return_tensors='pt'),
        ticket=Ticket(on_partial=texts.append),
        max_new_tokens=12,
    )
    new, confidence = own_way(model, tokens, prompt, 12)
    assert list(written.tokens) == new
    assert len(set(new)) > 2
    assert written.confidence == pytest.approx(confidence, rel=1e-4)
    assert written.is_complete == (new[-1] == END)
    assert written.text == tokens.decode(new, skip_special_tokens=True).strip()
    assert len(written.log_probabilities) == len(new)
    assert texts
    assert all(not text.endswith('\ufffd') for text in texts)


def test_several_at_once_are_as_each_alone(model, tokens):
    inputs = tokens(list(PROMPTS), return_tensors='pt', padding=True, padding_side='left')
    together = generate_batch(model, tokens, inputs, ticket=Ticket(), max_new_tokens=12)
    for prompt, written in zip(PROMPTS, together, strict=True):
        new, confidence = own_way(model, tokens, prompt, 12)
        assert list(written.tokens) == new
        assert written.confidence == pytest.approx(confidence, rel=1e-3)


def test_a_text_ends_at_its_end_and_others_go_on(model, tokens):
    inputs = tokens(list(PROMPTS), return_tensors='pt', padding=True, padding_side='left')
    first, second, _ = generate_batch(model, tokens, inputs, ticket=Ticket(), max_new_tokens=12)
    ends = (next(token for token in first.tokens[1:] if token not in second.tokens),)
    cut = generate_batch(model, tokens, inputs, ticket=Ticket(), max_new_tokens=12, ends=ends)
    assert cut[0].tokens == first.tokens[: first.tokens.index(ends[0]) + 1]
    assert cut[0].is_complete
    assert cut[0].text == tokens.decode(cut[0].tokens[:-1], skip_special_tokens=True).strip()
    assert len(cut[1].tokens) == 12
    assert not cut[1].is_complete


@pytest.mark.parametrize('as_embeddings', [False, True])
def test_the_prompt_is_no_part_of_the_text(as_embeddings, model, tokens):
    ids = tokens(PROMPTS[0], return_tensors='pt')['input_ids']
    inputs = {'input_ids': ids}
    if as_embeddings:  # then the library leaves the prompt out of what it returns
        inputs = {'inputs_embeds': model.get_input_embeddings()(ids)}
    written = generate(model, tokens, inputs, ticket=Ticket(), max_new_tokens=5)
    assert list(written.tokens) == own_way(model, tokens, PROMPTS[0], 5)[0]


def test_a_cancel_ends_it_within_a_token(model, tokens):
    texts = []

    def on_partial(text):
        texts.append(text)
        ticket.cancel()

    ticket = Ticket(on_partial=on_partial)
    with pytest.raises(WorkCancelled):
        generate(
            model, tokens, tokens('two', return_tensors='pt'), ticket=ticket, max_new_tokens=500
        )
    assert len(texts) <= 2


def test_a_deadline_ends_it(model, tokens):
    with pytest.raises(DeadlineExceeded):
        generate(
            model,
            tokens,
            tokens('two', return_tensors='pt'),
            ticket=Ticket(0.2),
            max_new_tokens=2000,
            ends=(-1,),
        )


def test_every_token_is_a_sign_of_life(model, tokens):
    class Counting(Ticket):
        checks = 0

        def check(self):
            self.checks += 1
            super().check()

    ticket = Counting()
    written = generate(
        model, tokens, tokens('two', return_tensors='pt'), ticket=ticket, max_new_tokens=7
    )
    assert ticket.checks >= len(written.tokens)


def test_no_number_is_an_error(model, tokens):
    inputs = {'inputs_embeds': torch.full((1, 3, TEXT['hidden_size']), math.nan)}
    with pytest.raises(ModelError, match='float32'):
        generate(model, tokens, inputs, ticket=Ticket(), max_new_tokens=3)


def test_ends_of_a_model(model):
    assert end_tokens(model) == (END,)
