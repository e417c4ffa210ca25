import { assert, describe, it } from "@effect/vitest"
import { parse } from "just-bash"
import * as ScriptPlan from "../../../src/layers/embedded/ScriptPlan.ts"

const paths = { stdin: "/fd/0", stdout: "/fd/1", stderr: "/fd/2", line: "/fd/line" }

const plan = (text: string, hasTerminal = false) => ScriptPlan.make(text, { paths, hasTerminal })
const planned = (text: string, hasTerminal = false): string => {
  const result = plan(text, hasTerminal)
  return result._tag === "Run" ? result.text : result._tag
}

describe("the plan for a text", () => {
  it.each([
    "if true; then",
    "while true",
    "for i in 1 2; do",
    "case x in",
    'echo "abc',
    "echo 'abc",
    "cat <<EOF",
    "cat <<EOF\nabc",
    "a |",
    "a &&",
    "a ||",
    "f() {",
    "(",
    "echo $(",
    "echo ${a",
    "echo abc \\",
    "[[ a ==",
    "x=(1 2"
  ])("waits for more after %j", (text) => {
    assert.strictEqual(plan(text)._tag, "Incomplete")
  })

  it.each(["fi", "a ;; b", "echo <", "| x", "if true; fi", "done"])("refuses %j", (text) => {
    assert.strictEqual(plan(text)._tag, "Invalid")
  })

  it.each(["", "  ", "# nothing"])("has nothing to do for %j", (text) => {
    assert.strictEqual(plan(text)._tag, "Blank")
  })

  it.each(["echo a \\\\", "echo '|'", "echo a # |", "cat <<EOF\nabc\nEOF"])("takes %j as a whole", (text) => {
    assert.strictEqual(plan(text)._tag, "Run")
  })

  it("sends what each command writes to the program's outputs, before what the command itself redirects", () => {
    assert.strictEqual(planned("echo a"), "echo a 1>> /fd/1 2>> /fd/2")
    assert.strictEqual(planned("echo a >&2"), "echo a 1>> /fd/1 2>> /fd/2 >& 2")
    assert.strictEqual(planned("ls > file"), "ls 1>> /fd/1 2>> /fd/2 > file")
  })

  it("leaves pipes, substitutions, assignments and the bodies of functions as they are", () => {
    assert.strictEqual(planned("a | b"), "a 2>> /fd/2 | b 1>> /fd/1 2>> /fd/2")
    assert.strictEqual(planned("x=$(echo a)"), "x=$(echo a)")
    assert.notInclude(planned("f() { echo a; }"), "/fd")
    assert.notInclude(planned("exec > file"), "/fd")
  })

  it("goes into loops and conditions, but not into what is redirected as a whole", () => {
    assert.include(planned("for i in 1; do if a; then echo b; fi; done"), "echo b 1>> /fd/1")
    assert.notInclude(planned("for i in 1; do echo b; done > file"), "echo b 1>>")
  })

  it("runs a text as it stands when it cannot be written out again", () => {
    const text = "cat <<EOF | tr a-z A-Z\nabc\nEOF\n[[ a =~ (a) ]]"
    assert.strictEqual(planned(text), text)
  })

  it("keeps the meaning of what it writes out", () => {
    for (const text of ["! a && b || c", "a; b & c", 'printf "%s\\n" "$x" \'y\'', "(cd /; ls)", "{ a; } 2>/dev/null"]) {
      assert.doesNotThrow(() => parse(planned(text)), text)
    }
  })

  it.each([
    ["read x", "</fd/line"],
    ["while read x; do :; done", "</fd/line"],
    ["sort", "</fd/0"],
    ["sort -k 2 -n", "</fd/0"],
    ["head -n 5", "</fd/0"],
    ["head -n5", "</fd/0"],
    ["grep -i word", "</fd/0"],
    ["grep -e word", "</fd/0"],
    ["sed 's/a/b/' -", "</fd/0"],
    ["wc -l | cat", "</fd/0"],
    ["tee file", "</fd/0"],
    ["sh", "</fd/0"]
  ])("connects the input to %j", (text, redirection) => {
    assert.include(planned(text).replaceAll(" ", "").replaceAll("0<", "<"), redirection)
  })

  it.each([
    "echo a",
    "cat file",
    "sort -k 2 file",
    "head -n 5 file",
    "grep word file",
    "grep -r word",
    "grep word $files",
    "sed -e 's/a/b/' file",
    "sort < file",
    "echo a | sort",
    "read x < file",
    "read -u 3 x",
    "sh -c 'echo a'",
    "awk '{ print }' file"
  ])("does not make %j wait for the input", (text) => {
    const script = planned(text)
    assert.notInclude(script, "/fd/0")
    assert.notInclude(script, "/fd/line")
  })

  it("copies the input as it comes for a plain cat, and shows the question of read -p on a terminal", () => {
    assert.strictEqual(planned("cat; echo end"), "_copy; echo end 1>> /fd/1 2>> /fd/2".replace("; ", "\n"))
    assert.include(planned('read -p "name: " x', true), 'printf %s "name: "')
    assert.notInclude(planned('read -p "name: " x'), "printf")
  })
})
