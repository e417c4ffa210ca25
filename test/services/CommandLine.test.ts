import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as CommandLine from "../../src/services/CommandLine.ts"

const directly: ReadonlyArray<readonly [line: string, words: ReadonlyArray<string>]> = [
  ["/bin/echo", ["/bin/echo"]],
  ["/bin/echo a b", ["/bin/echo", "a", "b"]],
  ["  /bin/echo\ta  b  ", ["/bin/echo", "a", "b"]],
  ["./run --flag=value", ["./run", "--flag=value"]],
  ["../run A=b", ["../run", "A=b"]],
  ["/bin/echo 'a b' \"c d\" e\\ f", ["/bin/echo", "a b", "c d", "e f"]],
  ["/bin/echo '' \"\"", ["/bin/echo", "", ""]],
  ["/bin/echo a'b'\"c\"\\d", ["/bin/echo", "abcd"]],
  ["/bin/echo '$HOME; `id` | \"x\" \\n'", ["/bin/echo", '$HOME; `id` | "x" \\n']],
  ['/bin/echo "a\\"b\\\\c\\$d\\`e\\f;|&<>"', ["/bin/echo", 'a"b\\c$d`e\\f;|&<>']],
  ["/bin/echo \\$HOME \\; \\' \\\"", ["/bin/echo", "$HOME", ";", "'", '"']],
  ["/bin/echo a#b c~d", ["/bin/echo", "a#b", "c~d"]],
  ["/bin/echo 'two\nlines'", ["/bin/echo", "two\nlines"]],
  ["'/opt/my tools/run' x", ["/opt/my tools/run", "x"]],
  ["/bin/echo äöü 日本 🐳", ["/bin/echo", "äöü", "日本", "🐳"]]
]

const byShell: ReadonlyArray<string> = [
  "",
  " ",
  "echo hi",
  "ls",
  ".",
  "..",
  ".hidden/run",
  "~/bin/run",
  "A=b /bin/echo",
  "# /bin/echo",
  "/bin/echo a; /bin/echo b",
  "/bin/echo a;/bin/echo b",
  "/bin/echo a & /bin/echo b",
  "/bin/echo a && /bin/echo b",
  "/bin/echo a || /bin/echo b",
  "/bin/cat /etc/passwd | /bin/grep root",
  "/bin/cat < /etc/passwd",
  "/bin/echo a > /tmp/b",
  "/bin/echo a 2>&1",
  "/bin/echo a >> /tmp/b",
  "/bin/cat <<EOF\na\nEOF",
  "/bin/echo $HOME",
  '/bin/echo "$HOME"',
  "/bin/echo `id`",
  '/bin/echo "`id`"',
  "/bin/echo $(id)",
  "/bin/echo *",
  "/bin/echo a?c",
  "/bin/echo [abc]",
  "/bin/echo {a,b}",
  "/bin/echo ~",
  "/bin/echo ~root/x",
  "/bin/echo a # a comment",
  "/bin/echo a\n/bin/echo b",
  "/bin/echo a\r",
  "/bin/echo a\\\nb",
  '/bin/echo "a\\\nb"',
  "/bin/echo 'never closed",
  '/bin/echo "never closed',
  "/bin/echo never finished\\",
  "(/bin/echo a)",
  "! /bin/false"
]

describe("CommandLine.toArguments", () => {
  it.each(directly)("runs %j directly", (line, words) => {
    assert.deepStrictEqual([...CommandLine.toArguments(line)], [...words])
  })

  it.each(byShell)("gives %j to a shell, whole", (line) => {
    assert.deepStrictEqual([...CommandLine.toArguments(line)], ["/bin/sh", "-c", line])
  })

  it("knows plain words that are not a path for what they are, and still asks the shell to find the program", () => {
    assert.deepStrictEqual(CommandLine.plainWords("echo 'a b'"), Option.some(["echo", "a b"]))
    assert.deepStrictEqual([...CommandLine.toArguments("echo 'a b'")], ["/bin/sh", "-c", "echo 'a b'"])
  })

  it("a quoted empty word is no program", () => {
    assert.deepStrictEqual([...CommandLine.toArguments("''")], ["/bin/sh", "-c", "''"])
  })
})

/** One of three ways to write a character, or a run of them, so that a shell takes them literally. */
const quotings: ReadonlyArray<(character: string) => string> = [
  (character) => (character === "'" ? `"'"` : `'${character}'`),
  (character) => `"${character.replace(/[$`"\\]/u, "\\$&")}"`,
  // A backslash before a line feed is no line feed but a line that goes on.
  (character) => (character === "\n" ? "'\n'" : `\\${character}`)
]

const quoted = (word: string, choices: ReadonlyArray<number>): string => {
  if (word === "") return "''"
  let index = 0
  return Array.from(word, (character) => quotings[choices[index++ % choices.length] ?? 0]?.(character) ?? "").join("")
}

/** Text as a person may write it: without NUL, which no argument can hold, and whole characters only. */
const Text = Schema.String.check(
  Schema.makeFilter((text: string) => !text.includes("\0") && text.isWellFormed(), { expected: "text without NUL" })
)
const Words = Schema.Array(Text)
/** What makes trouble, much more often than text at large would have it. */
const Tricky = Schema.Array(
  Schema.Array(Schema.Literals(Array.from("abc/.'\"\\ \t\n$`;|&<>()*?[]{}!#~=-é🐳"))).pipe(
    Schema.check(Schema.isMaxLength(8))
  )
).check(Schema.isMaxLength(6))
const Choices = Schema.NonEmptyArray(Schema.Literals([0, 1, 2]))

/** Lines are not to do anything; should one all the same, then not here. */
const elsewhere = mkdtempSync(join(tmpdir(), "dr-"))
afterAll(() => rmSync(elsewhere, { recursive: true, force: true }))

/** What a real shell makes of the line: its arguments, each followed by a NUL, which none of them can hold. */
const shellWords = (line: string): ReadonlyArray<string> =>
  execFileSync("/bin/sh", ["-c", `printf '%s\\0' x ${line}`], {
    encoding: "utf8",
    cwd: elsewhere,
    env: { LC_ALL: "C.UTF-8" }
  })
    .split("\0")
    .slice(1, -1)

describe("CommandLine.plainWords", () => {
  it.effect.prop("gives back any words that were quoted for a shell", { words: Words, choices: Choices }, (given) =>
    Effect.sync(() => {
      const line = given.words.map((word) => quoted(word, given.choices)).join(" ")
      assert.deepStrictEqual(CommandLine.plainWords(line), Option.some(given.words))
    })
  )

  it.effect.prop(
    "gives the words that /bin/sh gives",
    { pieces: Tricky, choices: Choices },
    ({ choices, pieces }) =>
      Effect.sync(() => {
        const words = pieces.map((piece) => piece.join(""))
        const line = words.map((word) => quoted(word, choices)).join(" \t ")
        assert.deepStrictEqual(shellWords(line), words, "the line is quoted correctly")
        assert.deepStrictEqual(CommandLine.plainWords(line), Option.some(words))
      }),
    { arbitrary: { runs: 300 } }
  )

  it.effect.prop(
    "is none, or what /bin/sh gives, for a line that nobody quoted",
    { pieces: Tricky },
    ({ pieces }) =>
      Effect.sync(() => {
        const line = pieces.map((piece) => piece.join("")).join(" ")
        const words = CommandLine.plainWords(line)
        if (Option.isSome(words)) assert.deepStrictEqual(shellWords(line), [...words.value], JSON.stringify(line))
      }),
    { arbitrary: { runs: 1_000 } }
  )

  it.effect.prop(
    "is none for any line with something outside of quotes that a shell acts upon",
    { before: Words, after: Words, choices: Choices, special: Schema.Literals(Array.from("|&;<>()$`*?[]{}!\n\r")) },
    ({ after, before, choices, special }) =>
      Effect.sync(() => {
        const words = (list: ReadonlyArray<string>) => list.map((word) => quoted(word, choices)).join(" ")
        const line = `/bin/echo ${words(before)}${special}${words(after)}`
        assert.deepStrictEqual(CommandLine.plainWords(line), Option.none())
        assert.deepStrictEqual([...CommandLine.toArguments(line)], ["/bin/sh", "-c", line])
      })
  )
})
