/**
 * HostConfig: how a container is tied to its host (Engine API 1.41 to 1.47).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { embedded } from "./CanonicalKeys.ts"
import { optional } from "./ConfigKey.ts"
import { StringMap, Strings } from "./EngineValue.ts"
import { Mount } from "./Mount.ts"
import { resources } from "./Resources.ts"

const LogConfig = Schema.Struct({
  Type: optional(Schema.String, "Log driver: json-file, local, journald, none, …"),
  Config: optional(StringMap, "Options of the log driver.")
})

const PortBinding = Schema.Struct({
  HostIp: optional(Schema.String, "Address of the host to listen on."),
  HostPort: optional(Schema.String, "Port of the host, or a range of ports; empty picks a free one.")
})

const RestartPolicy = Schema.Struct({
  Name: optional(Schema.Literals(["", "no", "always", "unless-stopped", "on-failure"]), "When to restart."),
  MaximumRetryCount: optional(Schema.Int, "For on-failure: how often at most.")
})

/**
 * How a container is tied to its host: limits, mounts, ports, namespaces, privileges.
 *
 * @since 0.1.0
 * @category schemas
 */
export const HostConfig = Schema.Struct({
  ...resources,
  Binds: optional(Strings, "Mounts in short form: /host/path:/container/path:ro, volume:/container/path."),
  Mounts: optional(Schema.Array(Mount), "Mounts in long form."),
  Tmpfs: optional(StringMap, 'tmpfs mounts: { "/run": "rw,noexec,size=65536k" }.'),
  VolumesFrom: optional(Strings, "Containers whose volumes to mount: name or name:ro."),
  VolumeDriver: optional(Schema.String, "Driver of the volumes that are made for this container."),
  StorageOpt: optional(StringMap, 'Options of the storage driver: { "size": "120G" }.'),
  ContainerIDFile: optional(Schema.String, "File to which the container's id is written."),
  LogConfig: optional(LogConfig, "Where the output of the first process is logged."),
  NetworkMode: optional(Schema.String, "bridge, host, none, container:<name or id>, or the name of a network."),
  PortBindings: optional(
    Schema.Record(Schema.String, Schema.NullOr(Schema.Array(PortBinding))),
    'Published ports: { "80/tcp": [{ "HostPort": "8080" }] }.'
  ),
  PublishAllPorts: optional(Schema.Boolean, "Publish every exposed port on a free port."),
  RestartPolicy: optional(RestartPolicy, "When the engine restarts the container."),
  AutoRemove: optional(Schema.Boolean, "Remove the container when its first process ends."),
  ConsoleSize: optional(Schema.Array(Schema.Int), "Height and width of the console."),
  Annotations: optional(StringMap, "Annotations that are passed to the runtime (API 1.43)."),
  CapAdd: optional(Strings, "Capabilities to add."),
  CapDrop: optional(Strings, "Capabilities to drop: ALL."),
  CgroupnsMode: optional(Schema.Literals(["", "private", "host"]), "cgroup namespace."),
  Dns: optional(Strings, "DNS servers."),
  DnsOptions: optional(Strings, "DNS options."),
  DnsSearch: optional(Strings, "DNS search domains."),
  ExtraHosts: optional(Strings, "Further lines of /etc/hosts: name:address."),
  GroupAdd: optional(Strings, "Further groups of the programs' user."),
  IpcMode: optional(Schema.String, "none, private, shareable, host or container:<name or id>."),
  Cgroup: optional(Schema.String, "cgroup of the container."),
  Links: optional(Strings, "Containers to link to: name:alias."),
  OomScoreAdj: optional(Schema.Int, "How readily the kernel kills the container, -1000 to 1000."),
  PidMode: optional(Schema.String, "host or container:<name or id>."),
  Privileged: optional(Schema.Boolean, "Full access to the host. Whoever may log in is root on the host."),
  ReadonlyRootfs: optional(Schema.Boolean, "Root file system that cannot be written."),
  SecurityOpt: optional(Strings, "Security options: no-new-privileges, seccomp=…, apparmor=…."),
  UTSMode: optional(Schema.String, "host, or empty."),
  UsernsMode: optional(Schema.String, "host, or empty."),
  ShmSize: optional(Schema.Int, "Size of /dev/shm, in bytes."),
  Sysctls: optional(StringMap, 'Kernel parameters: { "net.ipv4.ip_forward": "1" }.'),
  Runtime: optional(Schema.String, "Runtime of this container: runc, runsc, kata, …"),
  Isolation: optional(Schema.Literals(["", "default", "process", "hyperv"]), "Isolation (Windows)."),
  MaskedPaths: optional(Strings, "Paths that are hidden; [] hides none."),
  ReadonlyPaths: optional(Strings, "Paths that are read-only; [] is none.")
}).annotate({ [embedded]: "Resources" })

/**
 * @since 0.1.0
 * @category models
 */
export type HostConfig = typeof HostConfig.Type
