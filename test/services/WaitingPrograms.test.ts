import { randomBytes } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { longestLine } from "../../src/services/WaitingShell.ts"
import {
  bothWays,
  byHandOver,
  type Interaction,
  type Outcome,
  place,
  type Place,
  plainly,
  shown,
  shellsImage,
  world
} from "../fixtures/BothWays.ts"
import { runProgram } from "../fixtures/EngineProgram.ts"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, processes } from "../support/Engine.ts"

class There extends Context.Service<There, Place>()("test/There") {}

/** One container for a group of tests. */
const there = (...options: Parameters<typeof place>) =>
  Layer.effect(There, place(...options)).pipe(Layer.provideMerge(world()))

const sh = (script: string, ...words: ReadonlyArray<string>) => ["/bin/sh", "-c", script, ...words] as const
const terminal = { columns: 101, rows: 33 }
const xterm = { TERM: "xterm-256color" }

/** Gives each argument back as it was, and then what came on the standard input. */
const showArguments = (words: ReadonlyArray<string>) => sh(`printf '<%s>' "$@"; cat`, "name", ...words)

/** What has a meaning to a shell, to `env`, to a terminal or to an encoding. */
const pieces = Array.from("'\"\\$`!*?[]{}()<>|&;#~=%^ \t\n").concat([
  "\\n",
  "$(id)",
  "${HOME}",
  "-i",
  "--",
  "A=b",
  "é",
  "日本",
  "😀",
  "\u0080",
  "\u0085",
  "\u0088",
  "ÿ",
  "�",
  "\ud800"
])
/** These a terminal would act upon: with one no such argument is handed over. */
const controls = Array.from({ length: 31 }, (_, code) => String.fromCharCode(code + 1)).concat("\u007f")

const someOf = (from: ReadonlyArray<string>, count: number) =>
  Array.from({ length: count }, () => {
    const [length = 0, ...choices] = randomBytes(9)
    return choices
      .slice(0, length % 9)
      .map((choice) => from[choice % from.length] ?? "")
      .join("")
  })

const afterward =
  (text: string, act: (program: Parameters<Interaction>[0]) => Effect.Effect<void>): Interaction =>
  (program, seen) =>
    Effect.andThen(
      waitFor(
        JSON.stringify(text),
        Effect.sync(() => seen.stdout().includes(text))
      ),
      act(program)
    )
const inTurn =
  (...interactions: ReadonlyArray<Interaction>): Interaction =>
  (program, seen) =>
    Effect.forEach(interactions, (interaction) => interaction(program, seen), { discard: true })
const typed = (text: string, keys: string) =>
  afterward(text, ({ stdin }) => Effect.sync(() => void stdin.write(Buffer.from(keys))))
const idle: Interaction = () => Effect.void

const variables = ({ stdout }: Outcome) =>
  stdout
    .toString("latin1")
    .split("\0")
    .filter((variable) => !variable.startsWith("DOCKERRUN_PROGRAM="))
    .toSorted()

describeEngine("a program that a waiting shell becomes is the same as an exec of its own", () => {
  for (const shell of ["busybox", "dash", "bash"] as const) {
    layer(there(shellsImage, shell), { excludeTestServices: true })(`where /bin/sh is ${shell}`, (it) => {
      it.effect("in its arguments, whatever is in them", () =>
        Effect.gen(function* () {
          const here = yield* There
          for (const words of [[...pieces, ...controls, ""], someOf([...pieces, ...controls], 80)]) {
            const [plain, handed] = yield* bothWays(here, { command: showArguments(words), env: {} })
            assert.deepStrictEqual(handed, plain, JSON.stringify(words))
          }
        })
      )

      it.effect("in its arguments and its variables on a terminal", () =>
        Effect.gen(function* () {
          const here = yield* There
          for (const words of [[...pieces, ""], someOf(pieces, 60)]) {
            const wanted = {
              command: sh(`printf '<%s>' "$@" "$V"`, "name", ...words),
              env: { ...xterm, V: words.join("") },
              terminal
            }
            const [plain, handed] = yield* bothWays(here, wanted, idle)
            assert.deepStrictEqual(handed, plain, JSON.stringify(words))
          }
        })
      )

      it.effect("in its exit status, and when a signal ends it", () =>
        Effect.gen(function* () {
          const here = yield* There
          for (const script of ["exit 0", "exit 42", "exit 255", "kill -TERM $$", "kill -KILL $$", "kill -SEGV $$"]) {
            const [plain, handed] = yield* bothWays(here, { command: sh(script), env: {} })
            assert.deepStrictEqual(handed, plain, script)
          }
        })
      )

      it.effect("in what /proc tells of it", () =>
        Effect.gen(function* () {
          const here = yield* There
          for (const onTerminal of [{}, { terminal }]) {
            const wanted = {
              command: ["/bin/cat", ...["status", "stat", "limits", "cmdline", "cgroup"].map((f) => `/proc/self/${f}`)],
              env: {},
              ...onTerminal
            } as const
            const [plain, handed] = [yield* plainly(here, wanted, idle), yield* byHandOver(here, wanted, idle)].map(
              facts
            )
            assert.deepStrictEqual(handed, plain)
            assert.include(plain?.["stat"], "parent 0, own group, own session")
          }
        })
      )

      it.effect("in its open files, directory, limits and mask", () =>
        Effect.gen(function* () {
          const here = yield* There
          const script = `for f in /proc/$$/fd/*; do t=$(readlink "$f"); echo "\${f##*/} \${t%%:*}"; done
            pwd -P; readlink /proc/$$/cwd; umask; ulimit -a; nice; cat /proc/$$/oom_score_adj; cat /proc/$$/comm`
          for (const onTerminal of [{}, { terminal }]) {
            const wanted = { command: sh(script), env: {}, ...onTerminal }
            const [plain, handed] = yield* bothWays(here, wanted, idle)
            const one = ({ stdout }: { readonly stdout: string }) => stdout.replaceAll(/\/dev\/pts\/\d+/gu, "pts")
            assert.strictEqual(one(handed), one(plain))
          }
        })
      )

      it.effect("in its input: every byte of it, its end, and what it writes then", () =>
        Effect.gen(function* () {
          const here = yield* There
          const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
          const bytes = Buffer.concat([every, randomBytes(200_000), every])
          const feed: Interaction = ({ stdin }) =>
            Effect.sync(() => {
              stdin.write(bytes)
              stdin.end()
            })
          const wanted = { command: sh("cat; echo end >&2; echo end"), env: {} }
          const [plain, handed] = yield* bothWays(here, wanted, feed)
          assert.deepStrictEqual(handed, plain)
          assert.deepStrictEqual(handed.stdout, bytes.toString("latin1") + "end\n")
        })
      )

      it.effect("in its terminal: modes, size from the start, each new size, keys that make signals", () =>
        Effect.gen(function* () {
          const here = yield* There
          // No line editor: what a shell draws depends on when the keys come.
          const script = `stty size; stty -a; echo ready
            while read -r line; do case $line in
              size) until [ "$(stty size)" = "20 70" ]; do sleep 0.05; done; stty size ;;
              *) echo "got $line" ;;
            esac; done`
          const [plain, handed] = yield* bothWays(
            here,
            { command: sh(script), env: xterm, terminal },
            inTurn(
              typed("ready", "one\ttwo\r"),
              typed("got one\ttwo", "oops\u0015three\r"),
              afterward("got three", ({ resize }) => resize({ columns: 70, rows: 20 })),
              typed("got three", "size\r"),
              typed("20 70", "\u0003")
            )
          )
          assert.deepStrictEqual(handed, plain)
          assert.match(plain.stdout, /^33 101\r\n/u)
          assert.strictEqual(plain.status, 130)
        })
      )

      it.effect("in what was typed ahead, and in nothing being written that is not the program's", () =>
        Effect.gen(function* () {
          const here = yield* There
          const early: Interaction = ({ stdin }) => Effect.sync(() => void stdin.write(Buffer.from("early\r")))
          const wanted = { command: sh("read -r line; echo got $line"), env: xterm, terminal }
          const [plain, handed] = yield* bothWays(here, wanted, early)
          assert.deepStrictEqual(handed, plain)
          assert.strictEqual(handed.stdout, "early\r\ngot early\r\n")
          const [silent] = [yield* byHandOver(here, { command: sh("exit 3"), env: xterm, terminal }, idle)]
          assert.deepStrictEqual(shown(silent), { stdout: "", stderr: "", status: 3 })
        })
      )

      it.effect("in the signals that it is sent", () =>
        Effect.gen(function* () {
          const here = yield* There
          const script = `trap 'echo usr1' USR1; trap 'echo term; exit 9' TERM; echo ready; while :; do sleep 0.05; done`
          const signals = inTurn(
            afterward("ready\n", (program) => Effect.orDie(program.signal("USR1"))),
            afterward("usr1\n", (program) => Effect.orDie(program.signal("TERM")))
          )
          // What a shell says of the `sleep` that was ended with it depends on the moment.
          const [plain, handed] = yield* bothWays(
            here,
            { command: sh(`exec 2>/dev/null; ${script}`), env: {} },
            signals
          )
          assert.deepStrictEqual(handed, plain)
          assert.strictEqual(handed.status, 9)
        })
      )
    })
  }

  layer(
    there(shellsImage, "bash", {
      user: "65534:65534",
      workingDirectory: "/tmp/work",
      env: [
        "PWD=/x",
        "OLDPWD=/y",
        "SHLVL=7",
        "_=u",
        "UID=5",
        "IFS=x",
        "ENV=/none",
        "a.b=c",
        "n=1",
        "line=2",
        "E="
      ].concat("Q='\"\\", "M=one\ntwo\n", "LANG=de_DE.UTF-8", "W=é")
    }),
    { excludeTestServices: true }
  )("in a container with its own user, directory and variables", (it) => {
    it.effect("in its environment, to the letter", () =>
      Effect.gen(function* () {
        const here = yield* There
        const wanted = {
          command: ["/bin/cat", "/proc/self/environ"],
          env: { W: "client's", "new.name": "1", SHLVL: "", EMPTY: "", LINES: "a\nb\n" }
        } as const
        const [plain, handed] = [yield* plainly(here, wanted), yield* byHandOver(here, wanted)].map(variables)
        assert.deepStrictEqual(handed, plain)
        assert.isTrue(plain?.includes("a.b=c"))
      })
    )

    it.effect("in its user, groups and capabilities", () =>
      Effect.gen(function* () {
        const here = yield* There
        const wanted = { command: ["/bin/cat", "/proc/self/status"], env: {} } as const
        const [plain, handed] = [yield* plainly(here, wanted), yield* byHandOver(here, wanted)].map(facts)
        assert.deepStrictEqual(handed, plain)
      })
    )

    it.effect("in its directory, also when another one has taken the place of the one that was there", () =>
      Effect.gen(function* () {
        const here = yield* There
        const asRoot = (script: string) => runProgram(here.id, sh(script), { user: "0" })
        yield* here.waiting.prepare
        yield* asRoot("cd /; rm -rf /tmp/work; mkdir -p /tmp/work; : >/tmp/work/new")
        const handed = yield* byHandOver(here, { command: sh("pwd; ls"), env: {} })
        assert.deepStrictEqual(shown(handed), { stdout: "/tmp/work\nnew\n", stderr: "", status: 0 })
      })
    )
  })

  layer(there(shellsImage, "bash", { env: ["BASH_FUNC_cd%%=() { echo no; }"] }), { excludeTestServices: true })(
    "not where the variables make another shell of it",
    (it) => {
      it.effect("nothing waits", () =>
        Effect.gen(function* () {
          const here = yield* There
          yield* here.waiting.prepare
          assert.isUndefined(here.waiting.take({ command: sh("exit 0"), env: {} }))
        })
      )
    }
  )

  layer(there(shellsImage, "dash"), { excludeTestServices: true })("or it is started as one", (it) => {
    it.effect("with an argument that is too long to be handed over", () =>
      Effect.gen(function* () {
        const here = yield* There
        yield* here.waiting.prepare
        const long = "x".repeat(100 * 1024)
        for (const size of [longestLine, long.length]) {
          const wanted = { command: sh('echo "${#1}"', "name", long.slice(0, size)), env: {} }
          assert.isUndefined(here.waiting.take(wanted))
          assert.strictEqual((yield* plainly(here, wanted)).stdout.toString(), `${size}\n`)
        }
        // Those that wait still do.
        assert.strictEqual(shown(yield* byHandOver(here, { command: sh("exit 5"), env: {} })).status, 5)
      })
    )

    it.effect("when it is not there, may not be run, or is nothing that the kernel runs: with the same words", () =>
      Effect.gen(function* () {
        const here = yield* There
        const run = (script: string) => runProgram(here.id, sh(script))
        yield* run("printf '#!/bin/sh\\necho ran\\n' >/tmp/tool; chmod 755 /tmp/tool")
        const wanted = { command: ["/tmp/tool", "x"], env: {} } as const
        // What nobody has run yet only the engine can judge.
        yield* here.waiting.prepare
        assert.isUndefined(here.waiting.take(wanted))
        yield* here.waiting.replace({ wanted, isRepeated: true, ended: Effect.succeed(true) })
        yield* byHandOver(here, { command: sh(":"), env: {} })
        assert.strictEqual((yield* byHandOver(here, wanted)).stdout.toString(), "ran\n")

        for (const [harm, status] of [
          ["chmod 644 /tmp/tool", /^126 /u],
          ["rm /tmp/tool", /^127 /u],
          ["rm /tmp/tool; mkdir /tmp/tool", /^126 /u]
        ] as const) {
          yield* here.waiting.prepare
          yield* run(harm)
          const plain = shown(yield* plainly(here, wanted))
          assert.deepStrictEqual(shown(yield* byHandOver(here, wanted)), plain, harm)
          assert.match(String(plain.status), status)
          yield* run("rm -rf /tmp/tool; printf '#!/bin/sh\\necho ran\\n' >/tmp/tool; chmod 755 /tmp/tool")
        }

        // Without its first line a shell would run it all the same.
        yield* run("echo 'echo no' >/tmp/tool")
        yield* byHandOver(here, { command: sh(":"), env: {} })
        yield* here.waiting.prepare
        const plain = shown(yield* plainly(here, wanted))
        assert.deepStrictEqual(shown(yield* byHandOver(here, wanted)), plain)
        assert.notInclude(plain.stdout, "no")
      })
    )

    it.effect(
      "and what has run in one container of an image a shell in the next one becomes at once, if it is there",
      () =>
        Effect.gen(function* () {
          const here = yield* There
          const wanted = { command: ["/bin/busybox", "echo", "hello"], env: {} } as const
          yield* here.waiting.replace({ wanted, isRepeated: true, ended: Effect.succeed(true) })
          const next = yield* place(shellsImage, "busybox")
          yield* next.waiting.prepare
          assert.strictEqual((yield* byHandOver(next, wanted)).stdout.toString(), "hello\n")
          const missing = { command: ["/tmp/only-there"], env: {} } as const
          yield* next.waiting.prepare
          yield* here.waiting.replace({ wanted: missing, isRepeated: true, ended: Effect.succeed(true) })
          const plain = shown(yield* plainly(next, missing))
          assert.deepStrictEqual(shown(yield* byHandOver(next, missing)), plain)
          assert.match(String(plain.status), /^127 /u)
        })
    )

    it.effect("when the shell that waited is dead", () =>
      Effect.gen(function* () {
        const here = yield* There
        yield* here.waiting.prepare
        yield* runProgram(here.id, ["/bin/busybox", "killall", "-9", "sh"])
        const wanted = { command: sh("echo alive"), env: {} }
        yield* waitFor(
          "nothing to wait",
          Effect.sync(() => here.waiting.take(wanted) === undefined)
        )
        assert.strictEqual((yield* byHandOver(here, wanted)).stdout.toString(), "alive\n")
      })
    )

    it.effect("but never do two programs get one shell", () =>
      Effect.gen(function* () {
        const here = yield* There
        yield* here.waiting.prepare
        const wanted = { command: sh("echo once"), env: {} }
        const taken = [here.waiting.take(wanted), here.waiting.take(wanted)]
        assert.isDefined(taken[0])
        assert.isUndefined(taken[1])
      })
    )

    it.effect("and it ends with its channel", () =>
      Effect.gen(function* () {
        const here = yield* There
        yield* byHandOver(
          here,
          { command: sh("trap '' HUP; sleep 302 & exec sleep 301"), env: {} },
          () => Effect.void,
          "close"
        )
        assert.notInclude((yield* processes(here.id)).join(), "sleep 30")
      })
    )
  })
})

/** What of it must be the same, by file. Numbers of processes are told as what they are to one another. */
const facts = ({ stdout }: Outcome) => {
  const lines = stdout.toString("latin1").replaceAll("\r\n", "\n").split("\n")
  const stat = lines.find((line) => /^\d+ \(/u.test(line)) ?? ""
  const [pid = ""] = stat.split(" ")
  const [, parent, group, session, tty, foreground] = stat.replace(/^.*\) /u, "").split(" ")
  return {
    stat: [
      `parent ${parent}`,
      group === pid ? "own group" : group,
      session === pid ? "own session" : session,
      tty === "0" ? "no terminal" : "a terminal",
      foreground === pid ? "in the foreground" : foreground
    ].join(", "),
    rest: lines.filter(
      (line) =>
        line !== stat &&
        !/^(?:Vm|Rss|SigQ|Hugetlb|Pid|Tgid|NSpid|NStgid|NSpgid|NSsid|Ngid|(?:non)?voluntary_)/u.test(line)
    )
  }
}
