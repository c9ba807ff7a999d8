internal import JSON
package import Policy

extension SeamClient {
    package func device(id: String) async throws(SeamError) -> Device {
        try await call("/devices/get", ["device_id": .string(id)], deviceID: id, missing: "missing_device") {
            $0["device"].flatMap { Device($0) }
        }
    }

    /// All devices of the workspace.
    package func devices() async throws(SeamError) -> [Device] {
        try await list("/devices/list", [:], key: "devices") { Device($0) }
    }
}
