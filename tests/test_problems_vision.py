"""Digits by convolutions, through a code, as samples: the rows, and what is measured of them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import problems
from jaxnn.errors import BadValue
from jaxnn.problems import vision
from jaxnn.problems.base import Batch
from jaxnn.problems.vision import Noisy, lower_bound, restoration

KEY = jax.random.key(0)
BUILDERS = {
    "digits_cnn": vision.digits_cnn,
    "digits_residual": vision.digits_residual,
    "digits_autoencoder": vision.digits_autoencoder,
    "digits_vae": vision.digits_vae,
}
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", BUILDERS)
def test_the_rows_are_those_of_digits(name: str) -> None:
    found, digits = BUILDERS[name](seed=3), problems.get("digits", seed=3)
    assert found.name == name
    for part in ("train", "validation", "test"):
        rows, plain = getattr(found, part), getattr(digits, part)
        flat = np.asarray(rows.inputs).reshape(-1, 64)
        np.testing.assert_array_equal(flat, plain.inputs)
        if name in ("digits_cnn", "digits_residual"):
            np.testing.assert_array_equal(rows.targets, plain.targets)
            # The image as it lies on the page.
            assert rows.inputs.shape[1:] == (8, 8, 1)
    assert found.num_rows == digits.num_rows == 1258


def test_an_image_is_restored_to_the_cross_entropy_of_its_pixels(x64: None) -> None:
    model = vision.digits_autoencoder(sizes=(64, 2)).model
    images = RNG.uniform(size=(3, 64))
    params = jax.tree.map(
        lambda x: jnp.asarray(0.3 * RNG.normal(size=x.shape)), jax.eval_shape(model.init, KEY)
    )
    rows = restoration(model, params, Batch(jnp.asarray(images), jnp.asarray(images)), None)
    p = 1 / (1 + np.exp(-np.asarray(model.apply(params, jnp.asarray(images)))))
    entropy = -(images * np.log(p) + (1 - images) * np.log(1 - p)).sum(axis=1)
    np.testing.assert_allclose(rows["loss"], entropy, rtol=1e-9)
    np.testing.assert_allclose(rows["squared_error"], ((p - images) ** 2).mean(axis=1), rtol=1e-12)


@pytest.fixture(scope="module")
def vae() -> Any:
    return vision.digits_vae(sizes=(64, 3, 2))


def test_without_a_key_every_row_has_noise_of_its_own(vae: Any) -> None:
    params, images = vae.init(KEY), vae.validation.inputs[:4]
    noise = jnp.asarray(RNG.normal(size=(4, 2)), jnp.float32)
    rows = lower_bound(vae.model, params, Noisy(images, noise), None)
    log_likelihood, divergence = vae.model.evidence(params, images, noise)
    np.testing.assert_allclose(rows["loss"], divergence - log_likelihood, rtol=1e-6)
    np.testing.assert_array_equal(rows["divergence"], divergence)
    swapped = lower_bound(vae.model, params, Noisy(images, noise[::-1]), None)
    assert not np.any(np.isclose(rows["loss"], swapped["loss"], rtol=1e-5))
    # As good as N(0, 1), and not the same for two rows.
    drawn = np.concatenate([part.noise for part in (vae.train, vae.validation, vae.test)])
    assert len(np.unique(drawn)) == drawn.size == 2 * 1797
    np.testing.assert_allclose([drawn.mean(), drawn.std()], [0, 1], atol=0.05)


def test_training_draws_noise_from_its_key(vae: Any) -> None:
    params = vae.init(KEY)
    batch = jax.tree.map(lambda x: x[:4], vae.train)
    noise = jax.random.normal(jax.random.key(5), (4, 2))
    wanted = vae.loss(params, batch._replace(noise=noise))
    assert float(vae.loss(params, batch, jax.random.key(5))) == pytest.approx(float(wanted))
    assert float(vae.loss(params, batch, jax.random.key(6))) != pytest.approx(float(wanted))


def test_a_problem_shows_its_structure(vae: Any) -> None:
    assert repr(vae) == (
        "RowWise('digits_vae', VariationalAutoencoder(sizes=(64, 3, 2), likelihood='bernoulli', "
        "activation='tanh', dtype=None))"
    )
    assert vae.residuals is None
    again = vision.digits_vae(sizes=(64, 3, 2))
    assert jax.tree.structure(again) == jax.tree.structure(vae)
    assert len(jax.tree.leaves(vae)) == 6


@pytest.mark.parametrize("build", [vision.digits_autoencoder, vision.digits_vae])
def test_sizes_begin_with_the_pixels(build: Any) -> None:
    with pytest.raises(BadValue) as caught:
        build(sizes=(60, 8))
    assert str(caught.value) == (
        f"{build.__name__}: `sizes` must be for 64 inputs, the pixels; got 60. "
        "Change the first of its sizes."
    )
