internal import Delivery
internal import HTTPClient

/// Sparekey's way to the simulated Seam, through the world that may lose, delay or end anything.
struct WorldTransport: HTTPTransport {
    let world: World

    func send(_ request: ClientRequest) async throws(ClientError) -> ClientResponse {
        try await world.call(request)
    }
}

/// Sparekey's way to the guest's side.
struct WorldWay: DeliveryWay {
    let world: World

    func send(_ message: DeliveryMessage) async -> SendOutcome {
        await world.tell(message)
    }
}
