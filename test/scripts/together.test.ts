// What is asked for in one tick travels in one call, within its bounds.
import { expect, test } from "vitest";
import { TaskweftError } from "../../runtime/errors.js";
import { Together, type TogetherOptions } from "../../runtime/scripts/index.js";

function recording(options: Omit<TogetherOptions<number, string>, "send">) {
  const calls: (readonly number[])[] = [];
  const send = (items: readonly number[]) => {
    calls.push(items);
    if (items.includes(13)) return Promise.reject(new Error("the connection failed"));
    if (items.includes(17)) return Promise.reject(new TaskweftError("RedisRefused", "not 17"));
    return Promise.resolve(items.map((item) => `=${item}`));
  };
  return { calls, together: new Together({ ...options, send }) };
}

test("all of one tick in one call, each with its own answer; the next tick in the next", async () => {
  const { calls, together } = recording({ mostItems: 10 });
  expect(await Promise.all([1, 2, 3].map((item) => together.ask(item)))).toEqual(["=1", "=2", "=3"]);
  expect(await together.ask(4)).toBe("=4");
  expect(calls).toEqual([[1, 2, 3], [4]]);
});

test("no call has more than it may, and one that is too large goes alone", async () => {
  const { calls, together } = recording({ mostItems: 3, sizeOf: (item) => item, mostSize: 10 });
  const items = [1, 2, 3, 4, 5, 2, 99, 1];
  expect(await Promise.all(items.map((item) => together.ask(item)))).toEqual(items.map((item) => `=${item}`));
  expect(calls).toEqual([[1, 2, 3], [4, 5], [2], [99], [1]]);
});

test("a call that fails fails for all that it carries, and for nobody else", async () => {
  const { together } = recording({ mostItems: 2 });
  const answers = await Promise.allSettled([1, 13, 2, 3].map((item) => together.ask(item)));
  expect(answers.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled", "fulfilled"]);
});

test("what one is refused for is its error alone", async () => {
  const { calls, together } = recording({ mostItems: 10 });
  const answers = await Promise.allSettled([1, 17, 2].map((item) => together.ask(item)));
  expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(calls).toEqual([[1, 17, 2], [1], [17], [2]]);
});
