import { randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Clients, git, lftp, sshCommand } from "../support/Clients.ts"
import { describeEngine } from "../support/Engine.ts"
import { controlMaster, ssh } from "../support/OpenSsh.ts"
import { output, run } from "../support/Program.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const rsync = (ssh: string, ...args: ReadonlyArray<string>) =>
  output("rsync", ["-a", "--protect-args", "-e", ssh, ...args], { deadline: 60_000 })

describeEngine("tools that start ssh", () => {
  layer(Clients.layer, { timeout: 400_000 })((it) => {
    it.effect(
      "rsync carries a tree with odd names there and back, and finds nothing to do the second time",
      () =>
        Effect.gen(function* () {
          const { target } = yield* controlMaster((yield* Clients).target)
          const directory = yield* temporaryDirectory
          const tree = join(directory, "tree")
          const names = ["a b", "ünï", "quote'\"", "new\nline", "-dash", "$HOME", "*", "back\\slash", "{a,b}"]
          yield* Effect.promise(async () => {
            await mkdir(join(tree, "deep/er", " "), { recursive: true })
            await symlink("../a b", join(tree, "deep/link"))
            for (const name of names) await writeFile(join(tree, name), randomBytes(2_000))
            await writeFile(join(tree, "deep/er/large"), randomBytes(24 * 2 ** 20))
          })
          const shell = sshCommand(target)
          const remote = "127.0.0.1:/tmp/tree/"
          yield* rsync(shell, `${tree}/`, remote)
          yield* rsync(shell, remote, join(directory, "back/"))
          yield* output("diff", ["-r", "--no-dereference", tree, join(directory, "back")])
          assert.strictEqual(yield* rsync(shell, "--itemize-changes", "--checksum", `${tree}/`, remote), "")
        }),
      90_000
    )

    it.effect("git pushes to a repository, and clones it", () =>
      Effect.gen(function* () {
        const world = yield* Clients
        const { target } = yield* controlMaster(world.target)
        const joined = { ...world, target }
        const directory = yield* temporaryDirectory
        yield* ssh({ ...target, command: "git init -q --bare /tmp/repo.git" })
        const url = `ssh://${target.user}@127.0.0.1:${target.port}/tmp/repo.git`
        yield* git(joined, directory, "init", "-q", "-b", "main", "one")
        const bytes = randomBytes(2 ** 20)
        yield* Effect.promise(() => writeFile(join(directory, "one/file"), bytes))
        yield* git(joined, join(directory, "one"), "add", ".")
        yield* git(joined, join(directory, "one"), "commit", "-q", "-m", "first")
        yield* git(joined, join(directory, "one"), "push", "-q", url, "main")
        yield* git(joined, directory, "clone", "-q", "-b", "main", url, "two")
        assert.isTrue(bytes.equals(yield* Effect.promise(() => readFile(join(directory, "two/file")))))
      })
    )

    it.effect.skipIf(!existsSync("/dev/fuse"))("sshfs mounts a directory, and cp, find and git work in it", () =>
      Effect.gen(function* () {
        const { target } = yield* Clients
        const directory = yield* temporaryDirectory
        const mounted = join(directory, "mounted")
        yield* Effect.promise(() => mkdir(mounted))
        const command = sshCommand(target).replace(/ -p \d+ -l \w+$/u, "")
        yield* Effect.acquireRelease(
          output("sshfs", [
            "-o",
            `ssh_command=${command}`,
            "-p",
            String(target.port),
            `${target.user}@127.0.0.1:/tmp`,
            mounted
          ]),
          () => Effect.ignore(run("fusermount3", ["-u", mounted]))
        )
        const script = `git init -q -b main one && cd one && mkdir -p deep/er && echo a >deep/er/a && git add . &&
          git -c user.name=a -c user.email=a@b commit -qm first && cp -r . ../mounted/one && cd ../mounted/one &&
          git status --short && echo b >b && mv deep/er/a deep/c && git status --short && find . -path ./.git -prune -o -type f -print`
        const result = yield* run("sh", ["-ec", script], { cwd: directory, env: { HOME: directory } })
        assert.strictEqual(result.stdout, " D deep/er/a\n?? b\n?? deep/c\n./b\n./deep/c\n", result.stderr)
        assert.strictEqual((yield* ssh({ ...target, command: "true" })).status, 0)
      })
    )

    it.effect("lftp mirrors a directory both ways", () =>
      Effect.gen(function* () {
        const world = yield* Clients
        const { target } = yield* controlMaster(world.target)
        const directory = yield* temporaryDirectory
        yield* Effect.promise(async () => {
          await mkdir(join(directory, "up"))
          await writeFile(join(directory, "up/a b"), "one\n")
        })
        const url = `sftp://${target.user}:@127.0.0.1:${target.port}`
        const commands = `open ${url}; mirror -R up /tmp/lftp; mirror /tmp/lftp down`
        const result = yield* lftp({ ...world, target }, commands, directory)
        assert.strictEqual(result.status, 0, result.stderr)
        assert.strictEqual(yield* Effect.promise(() => readFile(join(directory, "down/a b"), "utf8")), "one\n")
      })
    )

    it.effect(
      "ansible pings, and runs a playbook that changes something once",
      () =>
        Effect.gen(function* () {
          const { target } = yield* controlMaster((yield* Clients).target)
          const directory = yield* temporaryDirectory
          const variables = {
            ansible_host: "127.0.0.1",
            ansible_port: target.port,
            ansible_user: target.user,
            ansible_python_interpreter: "/usr/bin/python3",
            ansible_ssh_common_args: sshCommand(target)
              .replace(/^ssh /u, "")
              .replace(/ -p \d+ -l \w+$/u, "")
          }
          const inventory = { all: { hosts: { guest: variables } } }
          const play = [
            {
              hosts: "all",
              gather_facts: true,
              tasks: [
                { copy: { dest: "/etc/motd", content: "by {{ ansible_distribution }}\n" } },
                { command: "cat /etc/motd", register: "motd", changed_when: false },
                { assert: { that: ["motd.stdout == 'by Debian'"] } }
              ]
            }
          ]
          yield* Effect.promise(async () => {
            await writeFile(join(directory, "hosts.yaml"), JSON.stringify(inventory))
            await writeFile(join(directory, "play.yaml"), JSON.stringify(play))
          })
          const options = {
            cwd: directory,
            deadline: 90_000,
            env: { HOME: directory, ANSIBLE_NOCOLOR: "1", ANSIBLE_SSH_ARGS: "", LC_ALL: "C.UTF-8" }
          }
          const ping = yield* run("ansible", ["-i", "hosts.yaml", "all", "-m", "ping"], options)
          assert.match(ping.stdout, /guest \| SUCCESS[\s\S]*"ping": "pong"/u, ping.stderr)
          const first = yield* run("ansible-playbook", ["-i", "hosts.yaml", "play.yaml"], options)
          assert.match(first.stdout, /guest\s+: ok=4\s+changed=1\s+unreachable=0\s+failed=0/u, first.stderr)
        }),
      120_000
    )
  })
})
