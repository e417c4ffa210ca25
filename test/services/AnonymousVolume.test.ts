import { assert, describe, it } from "vitest"
import type { HostConfig } from "../../src/schema/HostConfig.ts"
import * as AnonymousVolume from "../../src/services/AnonymousVolume.ts"

const labels = { dockerrun_instance: "here" }
const labelledMount = (Target: string) => ({ Type: "volume" as const, Target, VolumeOptions: { Labels: labels } })

const mountsOf = (host: HostConfig, ofImage: ReadonlyArray<string>, volumes: Readonly<Record<string, {}>> = {}) => {
  const image = { id: "sha256:1", tags: [], size: 1, user: "", env: [], volumes: ofImage }
  const spec = { config: { Image: "demo/x:1", Volumes: volumes }, host, network: {} }
  return AnonymousVolume.labelled(spec, image, labels).host.Mounts
}

describe("the anonymous volumes of a container", () => {
  it("of the image and of the configuration are asked for as mounts, which alone can have labels", () => {
    assert.deepStrictEqual(mountsOf({}, ["/data", "/var/lib/x/"], { "/data": {}, "/own": {} }), [
      labelledMount("/data"),
      labelledMount("/var/lib/x"),
      labelledMount("/own")
    ])
    assert.isUndefined(mountsOf({}, []))
    const driver = { Name: "nfs" }
    assert.deepStrictEqual(mountsOf({ VolumeDriver: "nfs" }, ["/data"]), [
      { Type: "volume", Target: "/data", VolumeOptions: { Labels: labels, DriverConfig: driver } }
    ])
  })

  it("that are mounts already keep what is said of them, and others stay as they are", () => {
    const bind = { Type: "bind", Source: "/srv", Target: "/srv" } as const
    const named = { Type: "volume", Source: "mine", Target: "/mine" } as const
    const anonymous = {
      Type: "volume",
      Target: "/data/",
      VolumeOptions: { NoCopy: true, Labels: { mine: "1" } }
    } as const
    assert.deepStrictEqual(mountsOf({ Mounts: [bind, named, anonymous] }, ["/srv", "/mine", "/data"]), [
      bind,
      named,
      { ...anonymous, VolumeOptions: { NoCopy: true, Labels: { mine: "1", ...labels } } }
    ])
  })

  it("are none where something else is mounted, and are left to the engine where that cannot be known", () => {
    const host = { Binds: ["/srv:/a:ro", "named:/b/", "/c"], Tmpfs: { "/d": "" } }
    assert.isUndefined(mountsOf(host, ["/a", "/b", "/c", "/d/"]))
    assert.isUndefined(mountsOf({ VolumesFrom: ["other"] }, ["/data"]))
    assert.isUndefined(mountsOf({}, ["/data/../other", "//data", "/", "C:\\data", "/x/."]))
  })

  it("have names of the engine's making", () => {
    assert.isTrue(AnonymousVolume.isAnonymous({ name: "0a".repeat(32), labels }))
    assert.isFalse(AnonymousVolume.isAnonymous({ name: "mine", labels }))
  })
})
