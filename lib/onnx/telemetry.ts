/**
 * ONNX Runtime's own builds report sessions and models to Microsoft unless told not to before they
 * load. Ours never do: import this before `onnxruntime-node`. Source: ONNX Runtime's `Privacy.md`.
 * @module
 */
Deno.env.set("ORT_DISABLE_TELEMETRY", "1");
