import Cityscapes
import Images
import Tensors

/// One synthetic street: random positions of all objects, painted back to front.
enum StreetScene {
  /// - Parameters:
  ///   - index: of the image in its split; it also selects bus, truck or train, so that three consecutive images show
  ///     all of them.
  /// - Returns: the image, RGB, and its label ids; a function of the arguments.
  static func painted(
    seed: UInt64, split: Split, index: Int, size: Size
  ) -> (image: Image, labelIds: Image) {
    var random = RandomNumbers(
      seed, RandomNumbers.hash("synthetic street"), RandomNumbers.hash(split.rawValue), UInt64(index))
    var canvas = StreetCanvas(size)
    let view = StreetView(
      focal: 1.7 * Float(size.height), center: Float(size.width) * (0.46 + 0.08 * random.uniform()),
      horizon: Float(size.height) * (0.4 + 0.06 * random.uniform()), haze: Paint(206, 216, 226))
    let backdrop = StreetBackdrop(view, &random)
    backdrop.paint(on: &canvas)
    paintObjects(on: &canvas, view, backdrop, index: index, &random)
    paintHood(on: &canvas)
    return canvas.finished(noise: Texture(key: UInt32(truncatingIfNeeded: random.next())))
  }

  private static func paintObjects(
    on canvas: inout StreetCanvas, _ view: StreetView, _ backdrop: StreetBackdrop, index: Int,
    _ random: inout RandomNumbers
  ) {
    var objects: [(z: Float, paint: (inout StreetCanvas) -> Void)] = []
    let texture = Texture(key: UInt32(truncatingIfNeeded: random.next()))
    func add(_ x: Float, _ z: Float, _ paint: @escaping (StreetObject, inout StreetCanvas) -> Void) {
      objects.append((z, { paint(StreetObject(view, x: x, z: z, texture: texture), &$0) }))
    }
    func between(_ low: Float, _ high: Float) -> Float { low + (high - low) * random.uniform() }
    func side() -> Float { random.uniform(below: 2) == 0 ? -1 : 1 }

    let carPaints = [
      Paint(40, 62, 150), Paint(28, 40, 96), Paint(70, 96, 180), Paint(52, 60, 112), Paint(120, 136, 190),
    ]
    let clothes = [Paint(214, 48, 72), Paint(232, 92, 110), Paint(176, 36, 60), Paint(240, 130, 120)]
    let lane = backdrop.roadEdge / 2
    let curb = backdrop.roadEdge + 0.45
    let walk = (backdrop.roadEdge + backdrop.walkEdge) / 2

    // One large vehicle on the left lane, cars ahead and along the curbs.
    let large = between(13, 20)
    switch index % 3 {
    case 0: add(-lane, large) { $0.bus(Paint(236, 196, 52), on: &$1) }
    case 1: add(-lane, large) { $0.truck(Paint(214, 120, 52), on: &$1) }
    default: add(-lane, large) { $0.train(Paint(40, 150, 120), on: &$1) }
    }
    for number in 0..<2 + random.uniform(below: 3) {
      let paint = carPaints[random.uniform(below: carPaints.count)]
      let x = number % 3 == 0 ? lane + between(-0.3, 0.3) : (number % 3 == 1 ? 1 : -1) * (backdrop.roadEdge - 1)
      add(x, between(9, 16) + 9 * Float(number)) { $0.car(paint, on: &$1) }
    }
    let first = side()
    for (number, side) in [first, -first].enumerated() {
      let paint = Paint(228, 66, 30) + 20 * random.uniform()
      let (x, z) = (side * between(0.9, lane), between(7, 12))
      if number == 0 {
        add(x, z) { $0.bicycle(rider: paint, on: &$1) }
      } else {
        add(x, z) { $0.motorcycle(rider: paint, on: &$1) }
      }
    }
    for _ in 0..<3 + random.uniform(below: 4) {
      let (paint, tall) = (clothes[random.uniform(below: clothes.count)], between(0.9, 1.1))
      add(side() * (walk + between(-0.7, 0.7)), between(8, 30)) { $0.person(paint, tall: tall, on: &$1) }
    }

    // Furniture along both curbs.
    for side: Float in [-1, 1] {
      let lit = random.uniform(below: 3)
      add(side * curb, between(10, 17)) { $0.trafficLight(lit: lit, on: &$1) }
      let kind = random.uniform(below: 3)
      add(side * curb, between(9, 20)) { $0.trafficSign(kind: kind, on: &$1) }
      for number in 0..<3 {
        let height = between(5, 8)
        add(side * curb, 12 + 14 * Float(number) + between(0, 6)) { $0.pole(height: height, on: &$1) }
      }
    }
    for _ in 0..<1 + random.uniform(below: 4) {
      let height = between(4, 6.5)
      add(side() * (backdrop.walkEdge + between(0, 0.6)), between(12, 45)) { $0.tree(height: height, on: &$1) }
    }
    if random.uniform(below: 2) == 0 { add(side() * (backdrop.walkEdge - 0.4), between(9, 18)) { $0.bin(on: &$1) } }

    for object in objects.sorted(by: { $0.z > $1.z }) { object.paint(&canvas) }
  }

  /// The hood of the car that carries the camera: ego vehicle, an ignored label.
  private static func paintHood(on canvas: inout StreetCanvas) {
    let (width, height) = (Float(canvas.size.width), Float(canvas.size.height))
    let middle = width / 2
    canvas.fill(Box(left: 0, top: height * 0.9, right: width, bottom: height), 1) { x, y, _ in
      let aside = (x - middle) / (0.56 * width)
      let top = height * (0.925 + 0.075 * aside * aside)
      guard y > top else { return nil }
      let shine = max(1 - (y - top) / (0.03 * height), 0)
      return Paint(38, 40, 46) + shine * 70
    }
  }
}
