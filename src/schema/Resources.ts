/**
 * Resources: the limits of a container, a part of HostConfig (Engine API 1.41 to 1.47).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { optional } from "./ConfigKey.ts"
import { StringMap, Strings } from "./EngineValue.ts"

const WeightDevice = Schema.Struct({
  Path: optional(Schema.String, "Path of the device."),
  Weight: optional(Schema.Int, "Relative weight.")
})

const ThrottleDevice = Schema.Struct({
  Path: optional(Schema.String, "Path of the device."),
  Rate: optional(Schema.Int, "Bytes or operations per second.")
})

const DeviceMapping = Schema.Struct({
  PathOnHost: optional(Schema.String, "Path of the device on the host."),
  PathInContainer: optional(Schema.String, "Path of the device in the container."),
  CgroupPermissions: optional(Schema.String, "What programs may do: rwm, read, write, make nodes.")
})

const DeviceRequest = Schema.Struct({
  Driver: optional(Schema.String, "Name of the device driver: nvidia."),
  Count: optional(Schema.Int, "How many devices; -1 is all."),
  DeviceIDs: optional(Strings, "Ids of the devices, instead of a count."),
  Capabilities: optional(Schema.Array(Strings), 'Capabilities, an OR of ANDs: [["gpu", "nvidia", "compute"]].'),
  Options: optional(StringMap, "Options of the driver.")
})

const Ulimit = Schema.Struct({
  Name: optional(Schema.String, "Name of the limit: nofile."),
  Soft: optional(Schema.Int, "Soft limit; -1 is none."),
  Hard: optional(Schema.Int, "Hard limit; -1 is none.")
})

/**
 * The limits of a container, to be spread into HostConfig.
 *
 * @since 0.1.0
 * @category schemas
 */
export const resources = {
  CpuShares: optional(Schema.Int, "Relative CPU weight."),
  Memory: optional(Schema.Int, "Limit of memory, in bytes; 0 is none."),
  MemoryReservation: optional(Schema.Int, "Soft limit of memory, in bytes."),
  MemorySwap: optional(Schema.Int, "Limit of memory and swap together, in bytes; -1 is none."),
  MemorySwappiness: optional(Schema.Int, "Swappiness of the container's memory, 0 to 100; -1 is the host's."),
  KernelMemory: optional(Schema.Int, "Limit of kernel memory, in bytes (deprecated, API 1.41)."),
  KernelMemoryTCP: optional(Schema.Int, "Limit of kernel memory for TCP buffers, in bytes (deprecated)."),
  NanoCpus: optional(Schema.Int, "CPU quota, in billionths of a CPU: 1500000000 is one and a half."),
  CpuPeriod: optional(Schema.Int, "Length of a CPU period, in microseconds."),
  CpuQuota: optional(Schema.Int, "CPU time within a period, in microseconds."),
  CpuRealtimePeriod: optional(Schema.Int, "Length of a real-time period, in microseconds."),
  CpuRealtimeRuntime: optional(Schema.Int, "Real-time CPU time within a period, in microseconds."),
  CpusetCpus: optional(Schema.String, "CPUs that may be used: 0-2, 0,1."),
  CpusetMems: optional(Schema.String, "Memory nodes that may be used: 0-2, 0,1."),
  CpuCount: optional(Schema.Int, "Number of CPUs (Windows)."),
  CpuPercent: optional(Schema.Int, "Percentage of the CPUs (Windows)."),
  PidsLimit: optional(Schema.Int, "Limit of processes; 0 or -1 is none."),
  OomKillDisable: optional(Schema.Boolean, "Do not kill programs when memory runs out."),
  Init: optional(Schema.Boolean, "Run an init as process 1 that forwards signals and reaps processes."),
  Ulimits: optional(Schema.Array(Ulimit), "Resource limits of processes."),
  CgroupParent: optional(Schema.String, "Path of the parent cgroup."),
  BlkioWeight: optional(Schema.Int, "Relative weight of block I/O, 10 to 1000; 0 is none."),
  BlkioWeightDevice: optional(Schema.Array(WeightDevice), "Relative weight of block I/O per device."),
  BlkioDeviceReadBps: optional(Schema.Array(ThrottleDevice), "Limit of bytes read per second, per device."),
  BlkioDeviceWriteBps: optional(Schema.Array(ThrottleDevice), "Limit of bytes written per second, per device."),
  BlkioDeviceReadIOps: optional(Schema.Array(ThrottleDevice), "Limit of reads per second, per device."),
  BlkioDeviceWriteIOps: optional(Schema.Array(ThrottleDevice), "Limit of writes per second, per device."),
  IOMaximumIOps: optional(Schema.Int, "Limit of I/O operations per second on the system drive (Windows)."),
  IOMaximumBandwidth: optional(Schema.Int, "Limit of I/O bytes per second on the system drive (Windows)."),
  Devices: optional(Schema.Array(DeviceMapping), "Devices of the host in the container."),
  DeviceCgroupRules: optional(Strings, 'Further rules for devices: "c 13:* rwm".'),
  DeviceRequests: optional(Schema.Array(DeviceRequest), "Devices by capability, such as GPUs.")
}
