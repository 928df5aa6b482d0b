/**
 * Rules of matrix products.
 * @module
 */
import type { Value } from "../values.ts";
import type { Backward, Rule } from "./rule.ts";

const gemm: Rule = (b) => {
  const [left, right] = [b.x(0), b.x(1)];
  const alpha = { float: b.number("alpha", 1) };
  const transA = b.number("transA", 0), transB = b.number("transB", 0);
  const dy = b.fullDy;
  const product = (first: Value, second: Value, transA: number, transB: number) =>
    b.op("Gemm", [first, second], { alpha, transA, transB });
  const byLeft = () =>
    transA ? product(right, dy, transB, 1) : product(dy, right, 0, transB ? 0 : 1);
  const byRight = () =>
    transB ? product(dy, left, 1, transA) : product(left, dy, transA ? 0 : 1, 0);
  return [
    b.wants(0) ? byLeft() : undefined,
    b.wants(1) ? byRight() : undefined,
    b.wants(2) ? b.times(b.sumTo(dy, b.x(2)), b.number("beta", 1)) : undefined,
  ];
};

/** Exchanges the last two axes. */
export function transposed(b: Backward, x: Value): Value {
  const rank = b.shape(x).length;
  const perm = Array.from({ length: rank }, (_, axis) => axis);
  return b.op("Transpose", [x], { perm: [...perm.slice(0, -2), rank - 1, rank - 2] });
}

const matMul: Rule = (b) => {
  const [left, right] = [b.x(0), b.x(1)];
  const [leftRank, rightRank] = [b.shape(left).length, b.shape(right).length];
  if (leftRank < 2 || rightRank < 2) throw b.refuse("there is a rule for matrices only");
  const dy = b.fullDy;
  /** Sums over the matrices that an input was repeated for. */
  const sumTo = (gradient: Value, input: Value) => b.sumTo(gradient, input, gradient);
  const byLeft = () => sumTo(b.op("MatMul", [dy, transposed(b, right)]), left);
  const byRight = () => {
    if (rightRank > 2) return sumTo(b.op("MatMul", [transposed(b, left), dy]), right);
    // one product instead of one for every matrix and their sum
    const rows = (x: Value) =>
      b.shape(x).length === 2 ? x : b.op("Reshape", [x, b.int([-1, b.size(x, -1)])]);
    return b.op("Gemm", [rows(left), rows(dy)], { transA: 1 });
  };
  return [b.wants(0) ? byLeft() : undefined, b.wants(1) ? byRight() : undefined];
};

/** Rules by operator. */
export const productRules: Readonly<Record<string, Rule>> = { Gemm: gemm, MatMul: matMul };
