/**
 * Rules of operators that go number by number.
 * @module
 */
import type { GraphNode, Value } from "../values.ts";
import type { Backward, Rule } from "./rule.ts";

/** 1 where a value is positive, else 0: one operator on all threads, where casts take two on one. */
function isPositive(b: Backward, value: Value): Value {
  return b.op("HardSigmoid", [value], { alpha: { float: 3e38 }, beta: { float: 0 } });
}

/** The rule of an operator of one input by its derivative. */
const unary = (derivative: (b: Backward) => Value): Rule => (b) => [b.mul(b.dy, derivative(b))];

/** Gradients by those of two inputs that are wanted, each summed to the input's size. */
function pair(b: Backward, first: () => Value, second: () => Value): (Value | undefined)[] {
  return [
    b.wants(0) ? b.sumTo(first(), b.x(0)) : undefined,
    b.wants(1) ? b.sumTo(second(), b.x(1)) : undefined,
  ];
}

/** Where the operator left its input as it is. */
function untouched(b: Backward): Value {
  const same = b.op("Equal", [b.x(), b.y]);
  return b.op("Where", [same, b.dy, b.g.float(0)]);
}

/** Max and Min: the gradient goes to the first of those that are equal. */
const extreme: Rule = (b) => {
  const { inputs } = b.node;
  if (inputs.length === 1) return [b.dy];
  const zero = b.g.float(0);
  let taken: Value | undefined;
  return inputs.map((input, i) => {
    const isIt = b.op("Equal", [input, b.y]);
    const free = taken && b.op("And", [isIt, b.op("Not", [taken])]);
    taken = taken ? b.op("Or", [taken, isIt]) : isIt;
    return b.wants(i) ? b.sumTo(b.op("Where", [free ?? isIt, b.dy, zero]), b.x(i)) : undefined;
  });
};

/** Whether a value was made of truth values: all its numbers are 0 or 1. */
function isMask(b: Backward, value: Value | undefined): boolean {
  const cast = b.g.producer(value);
  return cast?.opType === "Cast" && b.g.facts(cast.inputs[0]!).type === "bool";
}

/**
 * The multiplication that drops outputs of a Relu, where nothing else reads them: what is positive
 * after it was neither cut nor dropped, so that the two go back as one.
 */
function droppedBy(b: Backward, relu: GraphNode): GraphNode | undefined {
  const output = relu.outputs[0]!;
  const [reader, ...others] = b.readers(output);
  if (reader?.opType !== "Mul" || others.length > 0 || b.isAskedFor(output)) return undefined;
  const mask = reader.inputs[reader.inputs[0] === output ? 1 : 0];
  const isSame = b.shape(reader.outputs[0]!).join() === b.shape(output).join();
  return isSame && isMask(b, mask) ? reader : undefined;
}

const relu: Rule = (b) => {
  const output = droppedBy(b, b.node)?.outputs[0] ?? b.y;
  return [b.mul(b.dy, isPositive(b, output))];
};

const mul: Rule = (b) => {
  const [left, right] = [b.x(0), b.x(1)];
  const isDrop = (value: Value) => {
    const producer = b.g.producer(value);
    return producer?.opType === "Relu" && droppedBy(b, producer) === b.node;
  };
  return pair(
    b,
    () => isDrop(left) ? b.dy : b.mul(b.dy, right),
    () => isDrop(right) ? b.dy : b.mul(b.dy, left),
  );
};

const pow: Rule = (b) => {
  const [base, exponent] = [b.x(0), b.x(1)];
  const constant = b.g.facts(exponent).contents;
  const slope = () => {
    if (constant?.length === 1 && constant[0] === 2) return b.times(base, 2);
    const less = b.op("Sub", [exponent, b.g.float(1)]);
    return b.mul(exponent, b.op("Pow", [base, less]));
  };
  return pair(b, () => b.mul(b.dy, slope()), () => {
    return b.mul(b.dy, b.mul(b.y, b.op("Log", [base])));
  });
};

const div: Rule = (b) => {
  const byFirst = b.div(b.dy, b.x(1));
  return pair(b, () => byFirst, () => b.mul(byFirst, b.neg(b.y)));
};

const gelu: Rule = (b) => {
  const x = b.x(), half = b.g.float(.5), one = b.g.float(1);
  if (b.node.attributes["approximate"] === "tanh") {
    throw b.refuse("there is a rule for approximate: none only");
  }
  // Φ(x) + x φ(x)
  const erf = b.op("Erf", [b.times(x, Math.SQRT1_2)]);
  const below = b.mul(b.op("Add", [erf, one]), half);
  const density = b.times(
    b.op("Exp", [b.times(b.op("Mul", [x, x]), -.5)]),
    1 / Math.sqrt(2 * Math.PI),
  );
  return [b.mul(b.dy, b.op("Add", [below, b.op("Mul", [x, density])]))];
};

const quickGelu: Rule = (b) => {
  const scaled = b.times(b.x(), b.number("alpha", 1.702));
  const gate = b.op("Sigmoid", [scaled]);
  // σ + αx σ (1 − σ), with x σ = y
  const rest = b.mul(scaled, b.op("Sub", [b.g.float(1), gate]));
  return [b.mul(b.dy, b.mul(gate, b.op("Add", [rest, b.g.float(1)])))];
};

/** Rules by operator. */
export const elementwiseRules: Readonly<Record<string, Rule>> = {
  Add: (b) => pair(b, () => b.dy, () => b.dy),
  Sub: (b) => {
    const [first] = b.wants(0) ? [b.sumTo(b.dy, b.x(0))] : [];
    return [first, b.wants(1) ? b.neg(b.sumTo(b.dy, b.x(1))) : undefined];
  },
  Mul: mul,
  Div: div,
  Pow: pow,
  Max: extreme,
  Min: extreme,
  Neg: (b) => [b.neg(b.dy)],
  Abs: unary((b) => b.op("Sign", [b.x()])),
  Sqrt: (b) => [b.div(b.times(b.dy, .5), b.y)],
  Exp: unary((b) => b.y),
  Log: (b) => [b.div(b.dy, b.x())],
  Reciprocal: unary((b) => b.neg(b.op("Mul", [b.y, b.y]))),
  Erf: unary((b) => {
    const x = b.x();
    return b.times(b.op("Exp", [b.neg(b.op("Mul", [x, x]))]), 2 / Math.sqrt(Math.PI));
  }),
  Relu: relu,
  LeakyRelu: (b) => {
    const alpha = b.number("alpha", .01);
    if (alpha > 0 && alpha < 1) {
      // the result has its input's sign; a convolution before it then needs no result of its own
      const slopes = b.op("Clip", [b.op("Sign", [b.y]), b.g.float(alpha), b.g.float(1)]);
      return [b.op("Mul", [b.dy, slopes])];
    }
    const isOpen = b.op("Greater", [b.x(), b.g.float(0)]);
    return [b.op("Where", [isOpen, b.dy, b.times(b.dy, alpha)])];
  },
  Sigmoid: unary((b) => b.op("Mul", [b.y, b.op("Sub", [b.g.float(1), b.y])])),
  Tanh: unary((b) => b.op("Sub", [b.g.float(1), b.op("Mul", [b.y, b.y])])),
  Softplus: unary((b) => b.op("Sigmoid", [b.x()])),
  Gelu: gelu,
  QuickGelu: quickGelu,
  HardSigmoid: (b) => {
    const inside = b.op("Equal", [
      b.y,
      b.op("Clip", [b.y, b.g.float(1e-38), b.g.float(1 - 2 ** -24)]),
    ]);
    return [b.op("Where", [inside, b.times(b.dy, b.number("alpha", .2)), b.g.float(0)])];
  },
  Clip: (b) => [untouched(b)],
  Identity: (b) => [b.dy],
  Cast: (b) => {
    const { type } = b.g.facts(b.x());
    if (type === undefined) throw b.refuse(`the type of ${b.x()} is not known`);
    const isFloat = ["float32", "float16", "bfloat16"].includes(type);
    return [isFloat ? b.op("Cast", [b.dy], { to: type }) : undefined];
  },
  Where: (b) => {
    const [condition, yes, no] = [b.x(0), b.x(1), b.x(2)];
    const zero = b.g.float(0);
    return [
      undefined,
      b.wants(1) ? b.sumTo(b.op("Where", [condition, b.dy, zero]), yes) : undefined,
      b.wants(2) ? b.sumTo(b.op("Where", [condition, zero, b.dy]), no) : undefined,
    ];
  },
};
