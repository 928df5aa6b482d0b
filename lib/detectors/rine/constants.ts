/**
 * Numbers of the training that no configuration changes, the same in every engine.
 * @module
 */

/** Adam's constants; PyTorch's defaults. Released: src/utils.py, `train_one_experiment`. */
export const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

/** Temperature of the contrastive loss (τ). Released: src/utils.py, `SupConLoss`. */
export const TEMPERATURE = 0.07;

/** The length below which PyTorch's `F.normalize` stops dividing by a vector's length. */
export const SMALLEST_NORM = 1e-12;

/** What keeps the logarithm of an empty sum finite: about the smallest normal float32. */
export const SMALLEST_SUM = 1.2e-38;
