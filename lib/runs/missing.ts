/**
 * What is not there yet, as nothing rather than as an error.
 * @module
 */
import { UserError } from "../io/errors.ts";

/**
 * What is found; `undefined` where images, weights or runs are missing or not as they should be,
 * which libraries say by a {@linkcode UserError} of that kind.
 * @param onMissing told what is wrong
 */
export async function unlessMissing<T>(
  find: () => Promise<T>,
  onMissing: (message: string) => void = () => {},
): Promise<T | undefined> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof UserError && error.kind === "missing") {
      return void onMissing(error.message);
    }
    throw error;
  }
}
