import { fileURLToPath } from "node:url"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as YamlConfig from "../../src/layers/YamlConfig.ts"
import { AuthConfig } from "../../src/services/AuthConfig.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import { LogConfig } from "../../src/services/LogConfig.ts"
import { SshConfig } from "../../src/services/SshConfig.ts"

const example = (name: string) => fileURLToPath(new URL(`../support/configuration/${name}`, import.meta.url))

const shell = "dockerrun: { config: { shellCommand: [/bin/sh] } }\n"

const read = (text: string, environment = {}) =>
  YamlConfig.readText({ text, source: "test.yaml", directory: "/etc/dockerrun", environment })

const problemsOf = (text: string, environment = {}) =>
  read(text, environment).pipe(
    Effect.flip,
    Effect.map((error) => error.message.split("\n"))
  )

layer(NodeServices.layer)("YamlConfig", (it) => {
  it.effect.each(["api-capitals.yaml", "lower-case.yaml", "api-capitals.json"])(
    "%s gives the engine exactly what its API defines",
    (name) =>
      Effect.gen(function* () {
        const { dockerrun } = yield* YamlConfig.readFile({ path: example(name), environment: {} })
        // The rest is this program's own, and has its defaults.
        const { mode, persistent, pool, sftpFallback, timeout, waitingPrograms, ...config } = dockerrun.config
        assert.deepStrictEqual([mode, pool.size, sftpFallback, waitingPrograms], ["connection", 0, false, true])
        assert.strictEqual(persistent.name, "dockerrun-{username}")
        assert.isTrue(Duration.equals(timeout, Duration.seconds(90)))
        assert.deepStrictEqual(
          { host: dockerrun.host, config },
          {
            host: "unix:///var/run/docker.sock",
            config: {
              container: {
                Image: "registry.example.org:5000/team/guest:1.2",
                Env: ["TZ=UTC", "EDITOR=vi"],
                User: "1000:1000",
                Labels: { "com.example.Team": "blue" },
                ExposedPorts: { "80/tcp": {} },
                Volumes: { "/Data": {} },
                Healthcheck: { Test: ["CMD", "true"], Interval: 30_000_000_000, Retries: 3 }
              },
              host: {
                NetworkMode: "none",
                Memory: 268_435_456,
                NanoCpus: 1_500_000_000,
                PidsLimit: 128,
                CapDrop: ["ALL"],
                Ulimits: [{ Name: "nofile", Soft: 1024, Hard: 2048 }],
                Mounts: [{ Type: "tmpfs", Target: "/scratch", TmpfsOptions: { SizeBytes: 1_048_576, Mode: 0o755 } }],
                PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }] },
                RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
                LogConfig: { Type: "json-file", Config: { "max-size": "10m" } },
                Sysctls: { "net.ipv4.ip_forward": "1" },
                DeviceRequests: [{ Driver: "nvidia", Count: -1, Capabilities: [["gpu"]] }],
                BlkioWeightDevice: [{ Path: "/dev/sda", Weight: 500 }]
              },
              network: {
                EndpointsConfig: { Backend: { Aliases: ["guest"], IPAMConfig: { IPv4Address: "10.0.0.2" } } }
              },
              platform: { os: "linux", architecture: "arm64", variant: "v8" },
              containername: "",
              subsystems: { sftp: "/usr/lib/ssh/sftp-server", Netconf: "/usr/bin/netconfd" },
              disableCommand: true,
              disableShell: false,
              disableSubsystem: false,
              shellCommand: ["/bin/bash", "-l"],
              idleCommand: ["/bin/sleep", "infinity"],
              imagePullPolicy: "Never"
            }
          }
        )
      })
  )

  it.effect("gives all four services, with the environment over the file", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* SshConfig).listen, { host: "::1", port: 22 })
      assert.deepStrictEqual(Object.keys((yield* AuthConfig).users), ["alice"])
      assert.deepStrictEqual((yield* DockerRunConfig).config.shellCommand, ["/bin/sh"])
      assert.deepStrictEqual(yield* LogConfig, { level: "error", format: "json" })
    }).pipe(
      Effect.provide(
        YamlConfig.layerText({
          text: `${shell}ssh: { listen: "[::1]:22" }\nauth: { users: { alice: } }\nlog: { level: debug, format: json }`,
          environment: { DOCKERRUN_LOG_LEVEL: "error" }
        })
      )
    )
  )

  it.effect("takes relative paths from the file's directory, and PEM texts as they are", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const pem = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbg\n-----END OPENSSH PRIVATE KEY-----\n"
      const text = `${shell}ssh: { hostkeys: [./key, /abs/key, ${JSON.stringify(pem)}] }\nauth: { authorizedKeysFile: keys }`
      yield* fs.writeFileString(`${directory}/config.yaml`, text)
      const { ssh, auth } = yield* YamlConfig.readFile({ path: `${directory}/config.yaml`, environment: {} })
      assert.deepStrictEqual(
        ssh.hostkeys.map((source) => (source._tag === "File" ? source.path : Redacted.value(source.pem))),
        [`${directory}/key`, "/abs/key", pem]
      )
      assert.strictEqual(ssh.hostkeyDirectory, `${directory}/.dockerrun`)
      assert.strictEqual(auth.authorizedKeysFile, `${directory}/keys`)
    })
  )

  it.effect("names line and column of every problem, in the order of the file", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf(
        [
          "log: { level: loud }",
          "dockerrun:",
          "  config:",
          "    container:",
          "      imgae: a",
          "    host:",
          "      resources: { memory: much }",
          "    timeout: -1s",
          "    shellCommand: [/bin/sh, [x]]",
          "ssh:",
          "  listen: 2222",
          "  listen: 2222"
        ].join("\n"),
        { DOCKERRUN_LOG_FORMAT: "xml" }
      )
      assert.deepStrictEqual(problems, [
        'test.yaml:1:8: log.level: "loud" is not one of debug, info, notice, warning, error',
        "test.yaml:5:7: dockerrun.config.container.imgae: unknown key; did you mean Image?",
        "test.yaml:7:20: dockerrun.config.host.Memory: must be a whole number, not text",
        'test.yaml:8:5: dockerrun.config.timeout: "-1s" is not more than 0; write, for example, 60s',
        "test.yaml:9:29: dockerrun.config.shellCommand[1]: must be text, not a list",
        'test.yaml:11:3: ssh.listen: "2222" is not an address to listen on: host:port, [IPv6]:port or :port, with a port up to 65535',
        "test.yaml:12:3: ssh.listen: is given twice; keep one of them",
        'DOCKERRUN_LOG_FORMAT: log.format: "xml" is not one of text, json'
      ])
    })
  )

  it.effect("points at the section when a key in it is missing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf("log: {}\ndockerrun:\n  config: {}\n"), [
        'test.yaml:3:3: dockerrun.config.shellCommand: must be set, for example to ["/bin/sh"], unless disableShell is true'
      ])
    })
  )

  it.effect("names line and column of errors of syntax, and shows nothing of the text", () =>
    Effect.gen(function* () {
      const [problem = "", ...more] = yield* problemsOf('auth:\n  users:\n    a: { passwordHash: "hunter2 }\n')
      assert.match(problem, /^test\.yaml:\d+:\d+: YAML: /u)
      assert.notInclude([problem, ...more].join("\n"), "hunter2")
    })
  )

  it.effect("refuses an alias without an anchor, and aliases that multiply beyond measure", () =>
    Effect.gen(function* () {
      assert.match((yield* problemsOf("log: *nothing")).join("\n"), /YAML: .*nothing/u)
      const bomb = Array.from({ length: 12 }, (_, n) => `a${n + 1}: &a${n + 1} [${`*a${n},`.repeat(12)}]`)
      assert.match((yield* problemsOf(["a0: &a0 [x]", ...bomb].join("\n"))).join("\n"), /YAML: .*alias/u)
    })
  )

  it.effect("takes JSON with tabs and escapes", () =>
    Effect.gen(function* () {
      const { dockerrun } = yield* read(
        '{\n\t"dockerrun": {\n\t\t"config": { "shellCommand": ["\\/bin\\/sh", "\\u002dl"] }\n\t}\n}\n'
      )
      assert.deepStrictEqual(dockerrun.config.shellCommand, ["/bin/sh", "-l"])
    })
  )

  it.effect("follows anchors and merge keys, and points into what they bring in", () =>
    Effect.gen(function* () {
      const text = "shared: &shared { image: a, usr: b }\n"
      const problems = yield* problemsOf(
        `${text}dockerrun: { config: { disableShell: true, container: { <<: *shared, user: 0 } } }`
      )
      assert.deepStrictEqual(problems, [
        "test.yaml:1:1: shared: unknown key; valid: ssh, auth, security, engine, dockerrun, lifecycle, log",
        "test.yaml:1:29: dockerrun.config.container.usr: unknown key; did you mean User?"
      ])
      const { dockerrun } = yield* read(
        "dockerrun: { config: { disableShell: true, container: &c { image: a, labels: &l { k: 1 } }, host: { sysctls: *l } } }"
      )
      assert.deepStrictEqual(dockerrun.config.host, { Sysctls: { k: "1" } })
    })
  )

  it.effect.each([
    { kind: "list", text: "- ssh\n- log\n", message: "test.yaml:1:1: must be a map of keys to values, not a list" },
    { kind: "text", text: "hello", message: "test.yaml:1:1: must be a map of keys to values, not text" },
    { kind: "number", text: "5", message: "test.yaml:1:1: must be a map of keys to values, not a number" }
  ])("refuses a file that is a $kind", ({ text, message }) =>
    Effect.gen(function* () {
      assert.include(yield* problemsOf(text), message)
    })
  )

  it.effect.each(["", "# nothing here\n", "---\n", "{}", "~"])("%j leaves every setting at its default", (text) =>
    Effect.gen(function* () {
      const { ssh, dockerrun } = yield* read(text, { DOCKERRUN_DISABLESHELL: "true" })
      assert.deepStrictEqual(ssh.listen, { host: "127.0.0.1", port: 2222 })
      assert.strictEqual(ssh.hostkeyDirectory, "/etc/dockerrun/.dockerrun")
      assert.strictEqual(dockerrun.config.container.Image, "containerssh/containerssh-guest-image")
    })
  )

  it.effect("says which file cannot be read, and why", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.flip(Layer.build(YamlConfig.layer({ path: "/nowhere/dockerrun.yaml" })))
      assert.strictEqual(missing.message, "/nowhere/dockerrun.yaml: cannot be read: there is no such file")
      const directory = yield* Effect.flip(YamlConfig.readFile({ path: example("") }))
      assert.match(directory.message, /configuration\/: cannot be read: /u)
    })
  )
})
