/**
 * Where the project lies.
 * @module
 */
import { resolve } from "node:path";

/** Folder of the project, in which its commands run. */
export const PROJECT: string = resolve(import.meta.dirname!, "../..");
