import assert from "node:assert/strict";
import { Claims, type OwnClaim, SILENT_MS } from "../lib/io/claims.ts";
import { randomStream } from "../lib/random.ts";
import { Clock, Machine, Process, Server } from "./nfs.ts";

/** What may go wrong in a simulated run. */
interface Weather {
  readonly believesMs: number;
  /** Chance, per piece that a process does, that something happens to it meanwhile. */
  readonly killed?: number;
  readonly stopped?: number;
  readonly suspended?: number;
}

const PIECES = 12;
const MACHINES = 3;
const PROCESSES = 2;
/** Longer than anything takes that goes on. */
const LIMIT_MS = 3 * 3_600_000;

/** Several processes of several machines do some pieces of work; what happened. */
async function simulate(seed: number, weather: Weather) {
  const clock = new Clock(), server = new Server();
  const random = randomStream(seed, "claims");
  const done = new Set<number>();
  const happened = { twice: 0, together: 0, kills: 0, takeOvers: 0, lost: 0, robbedAwake: 0 };
  /** Who is at a piece. */
  const at = new Map<number, Set<Process>>();

  const live = async (machine: Machine): Promise<void> => {
    const process = new Process(machine);
    const claims = new Claims({
      files: process,
      beats: process.beats,
      now: () => clock.now,
      host: { name: machine.name, machine: "", bootedAt: 1 + random.integer(3) },
      process: `${random.integer(2 ** 30)}`,
      onSilent: () => happened.takeOvers++,
      says: () => ({}),
    });
    const work = async (piece: number, claim: OwnClaim): Promise<"killed" | undefined> => {
      const others = at.get(piece) ?? new Set();
      at.set(piece, others);
      for (const { movedAt } of others) {
        if (clock.now - movedAt < SILENT_MS / 2) happened.together++;
      }
      others.add(process);
      process.longestStillMs = 0;
      const takesMs = random.uniform(50, 120_000), pauseMs = random.uniform(1000, 600_000);
      if (random.chance(weather.killed ?? 0)) {
        await process.wait(random.uniform(0, takesMs));
        others.delete(process);
        process.kill();
        happened.kills++;
        return "killed";
      }
      if (random.chance(weather.stopped ?? 0)) {
        process.stoppedUntil = clock.now + pauseMs;
      } else if (random.chance(weather.suspended ?? 0)) {
        machine.stoppedUntil = clock.now + pauseMs;
      }
      await process.wait(takesMs);
      // results are written here: whole, and equal, so that two who write do no harm
      const isHeld = await claim.isHeld();
      if (isHeld && done.has(piece)) happened.twice++;
      if (isHeld) done.add(piece);
      if (!isHeld) happened.lost++;
      if (!isHeld && process.longestStillMs < SILENT_MS / 2) happened.robbedAwake++;
      others.delete(process);
    };
    await process.wait(random.uniform(0, 5000));
    while (done.size < PIECES) {
      assert.ok(clock.now < LIMIT_MS, `${PIECES - done.size} pieces are never done`);
      for (const piece of random.permutation(PIECES)) {
        if (done.has(piece)) continue;
        const claim = await claims.take(`piece-${piece}.lock`);
        if (!claim) continue;
        // who has claimed it looks first whether it is done by now
        if (!done.has(piece) && await work(piece, claim) === "killed") {
          // somebody starts it again
          await clock.sleep(random.uniform(0, 20_000));
          return await live(machine);
        }
        await claim.release();
      }
      await process.wait(500);
    }
    // whoever is last sweeps
    await process.wait(2 * SILENT_MS);
    for (let look = 0; look < 8; look++) {
      for (const path of [...server.files.keys()]) await claims.sweep(path);
      await process.wait(SILENT_MS / 3);
    }
  };
  const machines = Array.from(
    { length: MACHINES },
    (_, m) => new Machine(`node${m}`, server, clock, random, weather.believesMs),
  );
  await clock.run(
    Promise.all(
      machines.flatMap((machine) => Array.from({ length: PROCESSES }, () => live(machine))),
    ),
  );
  return { ...happened, left: [...server.files.keys()], minutes: clock.now / 60_000 };
}

const SEEDS = 40;

Deno.test("of processes of several machines one does each piece, however late a server's answers are", async () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    for (const believesMs of [0, 3000, 60_000]) {
      const { together, twice, left, lost } = await simulate(seed, { believesMs });
      assert.deepEqual({ together, twice, left, lost }, {
        together: 0,
        twice: 0,
        left: [],
        lost: 0,
      });
    }
  }
});

Deno.test("what a killed process has claimed others take over, one of them", async () => {
  let kills = 0, takeOvers = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const happened = await simulate(seed, { believesMs: 60_000, killed: .3 });
    const { together, twice, left, lost } = happened;
    assert.deepEqual({ together, twice, left, lost }, { together: 0, twice: 0, left: [], lost: 0 });
    kills += happened.kills;
    takeOvers += happened.takeOvers;
  }
  assert.ok(kills > SEEDS && takeOvers > 0 && takeOvers < kills, `${takeOvers} of ${kills}`);
});

Deno.test("a process that is stopped keeps its claim from those of its own machine", async () => {
  const clock = new Clock(), server = new Server(), random = randomStream(0, "stopped");
  const here = new Machine("here", server, clock, random, 0);
  const away = new Machine("away", server, clock, random, 0);
  const claimsOf = (process: Process) =>
    new Claims({
      files: process,
      beats: process.beats,
      now: () => clock.now,
      host: { name: process.machine.name, machine: "", bootedAt: 1 },
      process: "",
      onSilent: () => {},
      says: () => ({}),
    });
  const stopped = new Process(here), beside = claimsOf(new Process(here));
  const elsewhere = claimsOf(new Process(away));
  await clock.run((async () => {
    const own = (await claimsOf(stopped).take("work.lock"))!;
    stopped.stoppedUntil = clock.now + 100 * SILENT_MS;
    for (let look = 0; look < 20; look++) {
      assert.equal(await beside.take("work.lock"), undefined, "it was taken from who lives");
      await clock.sleep(SILENT_MS / 5);
    }
    // of another machine's process nothing is known but that it says nothing
    let taken: OwnClaim | undefined;
    const from = clock.now;
    while (!(taken = await elsewhere.take("work.lock"))) await clock.sleep(1000);
    assert.ok(clock.now - from >= SILENT_MS, "too early");
    assert.ok(clock.now - from < 1.1 * SILENT_MS, "too late");
    assert.equal(taken.mayHaveAnother, true);
    stopped.stoppedUntil = 0;
    await clock.sleep(0);
    assert.equal(await taken.isHeld(), true);
    // it learns of it, and takes nothing away
    await clock.sleep(100 * SILENT_MS);
    assert.equal(await own.isHeld(), false);
    await own.release();
    assert.equal(await taken.isHeld(), true);
    await taken.release();
  })());
  assert.deepEqual([...server.files.keys()], []);
});

Deno.test("a machine that is suspended loses what it has claimed, notices, and takes nothing from others", async () => {
  let lost = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const happened = await simulate(seed, { believesMs: 3000, suspended: .3, stopped: .1 });
    assert.deepEqual(happened.left, []);
    assert.deepEqual(
      [happened.together, happened.twice, happened.robbedAwake],
      [0, 0, 0],
      `seed ${seed}`,
    );
    lost += happened.lost;
  }
  assert.ok(lost > SEEDS / 2, `${lost} lost`);
});
