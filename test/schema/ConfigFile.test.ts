import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { ConfigError } from "../../src/schema/ConfigError.ts"
import { decodeConfigFile } from "../../src/schema/ConfigFile.ts"
import * as DockerRunConfig from "../../src/schema/DockerRunConfig.ts"

const load = (input: unknown) => decodeConfigFile(input, { source: "test" })

const problemsOf = (input: unknown) =>
  load(input).pipe(
    Effect.flip,
    Effect.map((error: ConfigError) =>
      Object.fromEntries(error.problems.map(({ path, message }) => [path, message] as const))
    )
  )

const shell = { shellCommand: ["/bin/sh"] }
const hash = "$2b$10$abcdefghijklmnopqrstuuN0Gm0dYB5Jc2sTzP3y8aXvWbWjv5e1C"
const pem = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"

describe("ConfigFile", () => {
  it.effect("has the documented defaults", () =>
    Effect.gen(function* () {
      const { ssh, auth, dockerrun, log } = yield* load({ dockerrun: { config: shell } })
      assert.deepStrictEqual(ssh.listen, { host: "127.0.0.1", port: 2222 })
      assert.deepStrictEqual(ssh.hostkeys, [])
      assert.strictEqual(ssh.hostkeyDirectory, "./.dockerrun")
      assert.strictEqual(ssh.banner, "")
      assert.isTrue(Duration.equals(ssh.shutdownGracePeriod, Duration.seconds(10)))
      assert.deepStrictEqual(auth, { users: {}, trustedUserCAKeys: [], revokedKeys: [] })
      assert.deepStrictEqual(log, { level: "info", format: "text" })
      const { timeout, ...config } = dockerrun.config
      assert.isTrue(Duration.equals(timeout, Duration.seconds(60)))
      assert.isUndefined(dockerrun.host)
      assert.deepStrictEqual(config, {
        container: { Image: "containerssh/containerssh-guest-image" },
        host: {},
        network: {},
        containername: "",
        subsystems: { sftp: "/usr/lib/openssh/sftp-server" },
        sftpFallback: false,
        disableCommand: false,
        disableShell: false,
        disableSubsystem: false,
        shellCommand: ["/bin/sh"],
        idleCommand: DockerRunConfig.defaultIdleCommand,
        imagePullPolicy: "IfNotPresent",
        mode: "connection",
        persistent: {
          name: "dockerrun-{username}",
          idleTimeout: Duration.nanos(1_800_000_000_000n),
          maxAge: Duration.nanos(0n)
        },
        pool: { size: 0, maxAge: Duration.nanos(3_600_000_000_000n) },
        waitingPrograms: true
      })
    })
  )

  it.effect("keeps the default image when the container says other things", () =>
    Effect.gen(function* () {
      const { dockerrun } = yield* load({ dockerrun: { config: { ...shell, container: { Env: ["A=1"] } } } })
      assert.deepStrictEqual(dockerrun.config.container, {
        Image: "containerssh/containerssh-guest-image",
        Env: ["A=1"]
      })
    })
  )

  it.effect("spells the Engine API's keys as the API does, and leaves free names alone", () =>
    Effect.gen(function* () {
      const { dockerrun } = yield* load({
        DockerRun: {
          config: {
            SHELLCOMMAND: ["/bin/sh"],
            containerName: "guest",
            container: { image: "a", labels: { image: "1", "Os.Version": "2" }, volumes: { "/Image": null } },
            host: {
              networkMode: "none",
              blkiodevicereadiops: [{ path: "/dev/sda", rate: 5 }],
              sysctls: { Memory: "1" }
            },
            network: {
              endpointsConfig: { Aliases: { ipamconfig: { linklocalips: ["fe80::1"] }, macaddress: "02::" } }
            },
            platform: { OS: "windows", osversion: "10" }
          }
        }
      })
      assert.deepStrictEqual(dockerrun.config.container, {
        Image: "a",
        Labels: { image: "1", "Os.Version": "2" },
        Volumes: { "/Image": {} }
      })
      assert.deepStrictEqual(dockerrun.config.host, {
        NetworkMode: "none",
        BlkioDeviceReadIOps: [{ Path: "/dev/sda", Rate: 5 }],
        Sysctls: { Memory: "1" }
      })
      assert.deepStrictEqual(dockerrun.config.network, {
        EndpointsConfig: { Aliases: { IPAMConfig: { LinkLocalIPs: ["fe80::1"] }, MacAddress: "02::" } }
      })
      assert.deepStrictEqual(dockerrun.config.platform, { os: "windows", "os.version": "10" })
      assert.strictEqual(dockerrun.config.containername, "guest")
      assert.deepStrictEqual(dockerrun.config.shellCommand, ["/bin/sh"])
    })
  )

  it.effect("knows the algorithms of SSH by name, and none that is weak", () =>
    Effect.gen(function* () {
      const { ssh } = yield* load({
        ssh: { kex: ["ecdh-sha2-nistp256"], macs: ["hmac-sha2-512"] },
        dockerrun: { config: shell }
      })
      assert.deepStrictEqual([ssh.kex, ssh.macs], [["ecdh-sha2-nistp256"], ["hmac-sha2-512"]])
      const problems = yield* problemsOf({
        ssh: {
          kex: ["curve25519-sha265", "diffie-hellman-group14-sha1"],
          ciphers: ["aes128-cbc"],
          macs: ["hmac-sha1"],
          hostKeyAlgorithms: ["ssh-rsa"],
          compression: []
        }
      })
      assert.match(
        problems["ssh.kex[0]"] ?? "",
        /is not one of mlkem768x25519-sha256, .*; did you mean curve25519-sha256\?/u
      )
      assert.match(problems["ssh.kex[1]"] ?? "", /^"diffie-hellman-group14-sha1" is not one of /u)
      assert.match(problems["ssh.ciphers[0]"] ?? "", /^"aes128-cbc" is not one of aes128-gcm@openssh.com, /u)
      assert.match(problems["ssh.macs[0]"] ?? "", /^"hmac-sha1" is not one of /u)
      assert.match(problems["ssh.hostKeyAlgorithms[0]"] ?? "", /^"ssh-rsa" is not one of ssh-ed25519, /u)
      assert.strictEqual(problems["ssh.compression"], "must not be empty")
    })
  )

  it.effect("reports every problem at once, whatever its kind", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf({
        ssh: { listen: "nowhere", hostkeys: [""], shutdownGracePeriod: "10 seconds", lisen: 22 },
        auth: { users: { alice: { authorizedKeys: ["AAAA"], passwordHash: "secret" } }, authorizedKeysFile: "" },
        dockerrun: {
          host: "ssh://engine",
          cacert: pem,
          config: {
            container: {
              Image: "",
              image: "b",
              Cmd: 5,
              Healthcheck: { Interval: "often" },
              Volumes: { "/a": { b: 1 } }
            },
            host: { Memory: "512m", Mounts: [{ Type: "bund" }, { Typ: "bind" }], Sysctls: [] },
            network: { EndpointsConfig: { lan: { Gatway: "10.0.0.1" } } },
            imagePullPolcy: "Always",
            imagePullPolicy: "always",
            idleCommand: [],
            timeout: 0,
            disableCommand: "perhaps"
          }
        },
        log: { level: "warn", format: 5 },
        sshd: {}
      })
      assert.deepStrictEqual(problems, {
        "ssh.listen":
          '"nowhere" is not an address to listen on: host:port, [IPv6]:port or :port, with a port up to 65535',
        "ssh.hostkeys[0]": "the value is neither the path of a file nor PEM text",
        "ssh.shutdownGracePeriod":
          '"10 seconds" is not a duration such as 60s, 1m30s or 500ms, or a number of nanoseconds',
        "ssh.lisen": "unknown key; did you mean listen?",
        "auth.users.alice.authorizedKeys[0]":
          '"AAAA" is not a line of OpenSSH\'s authorized_keys, such as: ssh-ed25519 AAAA… comment',
        "auth.users.alice.passwordHash":
          "the value is not a bcrypt hash ($2a$, $2b$ or $2y$); make one with: dockerrun hash-password",
        "auth.authorizedKeysFile": "must name a file",
        "dockerrun.host":
          '"ssh://engine" is not a connect URL: it must begin with one of unix://, npipe://, tcp://, http://, https://',
        "dockerrun.cert": "is missing: cacert, cert and key belong together",
        "dockerrun.key": "is missing: cacert, cert and key belong together",
        "dockerrun.config.container.Image": "must name an image",
        "dockerrun.config.container.Cmd": "must be text or a list, not a number",
        "dockerrun.config.container.Healthcheck.Interval":
          '"often" is not a duration such as 60s, 1m30s or 500ms, or a number of nanoseconds',
        'dockerrun.config.container.Volumes["/a"].b': "unknown key",
        "dockerrun.config.host.Memory": "must be a whole number, not text",
        "dockerrun.config.host.Mounts[0].Type":
          '"bund" is not one of bind, volume, tmpfs, npipe, cluster, image; did you mean bind?',
        "dockerrun.config.host.Mounts[1].Typ": "unknown key; did you mean Type?",
        "dockerrun.config.host.Sysctls": "must be a map of keys to values, not a list",
        "dockerrun.config.network.EndpointsConfig.lan.Gatway": "unknown key; did you mean Gateway?",
        "dockerrun.config.imagePullPolcy": "unknown key; did you mean imagePullPolicy?",
        "dockerrun.config.imagePullPolicy": '"always" is not one of Always, IfNotPresent, Never; did you mean Always?',
        "dockerrun.config.idleCommand": "must not be empty",
        "dockerrun.config.timeout": "0 is not more than 0; write, for example, 60s",
        "dockerrun.config.disableCommand": "must be true or false, not text",
        "dockerrun.config.shellCommand": 'must be set, for example to ["/bin/sh"], unless disableShell is true',
        "log.level": '"warn" is not one of debug, info, notice, warning, error; did you mean warning?',
        "log.format": "5 is not one of text, json",
        sshd: "unknown key; did you mean ssh?"
      })
    })
  )

  it.effect("says when a key is given twice in two spellings", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf({ dockerrun: { config: { ...shell, container: { image: "a", Image: "b" } } } })
      assert.deepStrictEqual(problems, {
        "dockerrun.config.container.Image": "is given twice, as image and Image; keep one of them"
      })
    })
  )

  it.effect.each([
    { kind: "nothing", input: null },
    { kind: "a list", input: [] },
    { kind: "text", input: "text" },
    { kind: "a number", input: 5 }
  ])("refuses $kind as a whole", ({ input }) =>
    Effect.gen(function* () {
      const problems = yield* problemsOf(input)
      assert.match(problems[""] ?? "", /^must be a map of keys to values, not /u)
    })
  )

  it.effect("needs no shell command when there are no shells", () =>
    Effect.gen(function* () {
      const { dockerrun } = yield* load({ dockerrun: { config: { disableShell: true } } })
      assert.deepStrictEqual(dockerrun.config.shellCommand, [])
    })
  )

  it.effect("says what to leave out where a mode, a pool and a name do not go together", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* problemsOf({ dockerrun: { config: { ...shell, containername: "one", pool: { size: 2 } } } }),
        {
          "dockerrun.config.pool.size":
            "does not go with containername: waiting containers cannot all have one name; leave one of the two out"
        }
      )
      assert.deepStrictEqual(
        yield* problemsOf({
          dockerrun: { config: { ...shell, mode: "persistent", containername: "one", persistent: { name: "dev" } } }
        }),
        {
          "dockerrun.config.containername": "does not go with mode persistent: set persistent.name instead",
          "dockerrun.config.persistent.name":
            '"dev" is not a name with {username} in it, such as dev-{username}: letters, digits, _, . and -, the first a letter or digit, and {username} once'
        }
      )
      assert.deepStrictEqual(
        yield* problemsOf({ dockerrun: { config: { ...shell, mode: "persistent", pool: { size: 2 } } } }),
        {
          "dockerrun.config.pool.size": "is for mode connection: leave the pool out, or set mode to connection"
        }
      )
    })
  )

  it.effect("takes all three PEM texts, an empty one as none, and hides the key", () =>
    Effect.gen(function* () {
      const { dockerrun } = yield* load({ dockerrun: { cacert: pem, cert: pem, key: pem, config: shell } })
      const tls = DockerRunConfig.tls(dockerrun)
      assert.strictEqual(tls === undefined ? undefined : Redacted.value(tls.key), pem)
      assert.notInclude(JSON.stringify(dockerrun.key), "MIIB")
      const without = yield* load({ dockerrun: { cacert: "", cert: "", key: "", config: shell } })
      assert.isUndefined(DockerRunConfig.tls(without.dockerrun))
    })
  )

  it.effect("shows no secret in a message or in the printed configuration", () =>
    Effect.gen(function* () {
      const secret = "hunter2hunter2"
      const error = yield* Effect.flip(
        load({
          ssh: { hostkeys: [`-----BEGIN OPENSSH PRIVATE KEY-----\n${secret}`, `${secret}\n`] },
          auth: { users: { alice: { passwordHash: secret }, bob: { passwordhash: [secret] } } },
          dockerrun: { key: secret, config: { container: { Env: { PASSWORD: secret } } } }
        })
      )
      assert.isAtLeast(error.problems.length, 6)
      assert.notInclude(`${error.message}${JSON.stringify(error)}${String(error)}`, secret)

      const config = yield* load({
        ssh: { hostkeys: [pem.replace("MIIB", secret)] },
        auth: { users: { alice: { passwordHash: hash } } },
        dockerrun: { config: shell }
      })
      assert.notInclude(JSON.stringify(config), secret)
      assert.notInclude(JSON.stringify(config), hash)
    })
  )
})
