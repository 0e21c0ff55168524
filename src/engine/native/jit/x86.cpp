// Instructions to x86-64 machine code, System V calling convention.
#include <engine/native/jit/ir.h>

#if defined(__x86_64__) && defined(__linux__)
#include <xbyak/xbyak.h>

namespace chorus::jit {
namespace {

using Xbyak::Address;
using Xbyak::Reg64;
using Xbyak::Tmm;
using Xbyak::Xmm;
using Xbyak::Ymm;
using Xbyak::Zmm;

class Assembler : public Xbyak::CodeGenerator {
 public:
  Assembler(const Code& code, std::vector<uint8_t>& buffer)
      : Xbyak::CodeGenerator(buffer.size(), buffer.data()), code_(code), labels_(static_cast<size_t>(code.labels)) {}

  void run() {
    for (const Instr& i : code_.list) note(i);
    for (int r = kScratch; r < kGeneral; ++r) {
      if (used_[r]) push(reg(r));
    }
    for (const Instr& i : code_.list) {
      if (i.op <= Op::copy)
        vector(i);
      else if (i.op <= Op::tile_release)
        matrix(i);
      else
        general(i);
    }
  }

 private:
  static constexpr int kScratch = 9;  // registers that a function may change freely
  static constexpr int kOrder[kGeneral] = {7, 0, 1, 2, 6, 8, 9, 10, 11, 3, 5, 12, 13, 14, 15};

  const Code& code_;
  std::vector<Xbyak::Label> labels_;
  bool used_[kGeneral] = {};

  static Reg64 reg(int r) { return Reg64(kOrder[r]); }
  void note(const Instr& i) {
    if (i.op > Op::tile_release) used_[i.d] = used_[i.a] = true;
    if (i.memory) used_[i.mem.base] = true;
    if (i.memory && i.mem.index >= 0) used_[i.mem.index] = true;
  }
  static Xbyak::RegExp where(const Mem& m) {
    Xbyak::RegExp e(reg(m.base));
    if (m.index >= 0) e = e + reg(m.index) * m.scale;
    return e + m.disp;
  }

  void vector(const Instr& i) {
    if (code_.level == Level::avx512)
      vector_as(i, Zmm(i.d), Zmm(i.a), Zmm(i.b));
    else
      vector_as(i, Ymm(i.d), Ymm(i.a), Ymm(i.b));
  }

  template <class V>
  void vector_as(const Instr& i, const V& d, const V& a, const V& b) {
    constexpr bool wide = std::is_same_v<V, Zmm>;
    const Address m = i.memory ? ptr[where(i.mem)] : ptr[reg(0)];
    const Xbyak::Operand& s = i.memory ? static_cast<const Xbyak::Operand&>(m) : static_cast<const Xbyak::Operand&>(b);
    switch (i.op) {
      case Op::zero:
        if (wide)
          vpxord(Zmm(i.d), Zmm(i.d), Zmm(i.d));
        else
          vxorps(d, d, d);
        break;
      case Op::load: vmovups(d, m); break;
      case Op::broadcast: vbroadcastss(d, m); break;
      case Op::store: vmovups(m, a); break;
      case Op::store_half:
        vcvtneps2bf16(Ymm(i.d), Zmm(i.a));
        vmovups(m, Ymm(i.d));
        break;
      case Op::dot: vdpbf16ps(Zmm(i.d), Zmm(i.a), s); break;
      case Op::dot_bytes: vpdpbusd(Zmm(i.d), Zmm(i.a), s); break;
      case Op::fma: vfmadd231ps(d, a, s); break;
      case Op::fma_splat: vfmadd231ps(Zmm(i.d), Zmm(i.a), ptr_b[where(i.mem)]); break;
      case Op::horner: vfmadd213ps(d, a, s); break;
      case Op::scale: vscalefps(Zmm(i.d), Zmm(i.a), s); break;
      case Op::add: vaddps(d, a, s); break;
      case Op::sub: vsubps(d, a, s); break;
      case Op::mul: vmulps(d, a, s); break;
      case Op::div: vdivps(d, a, s); break;
      case Op::min: vminps(d, a, s); break;
      case Op::max: vmaxps(d, a, s); break;
      case Op::bit_and: wide ? vpandd(Zmm(i.d), Zmm(i.a), s) : vandps(d, a, s); break;
      case Op::bit_or: wide ? vpord(Zmm(i.d), Zmm(i.a), s) : vorps(d, a, s); break;
      case Op::round: wide ? vrndscaleps(Zmm(i.d), Zmm(i.a), 0) : vroundps(Ymm(i.d), Ymm(i.a), 0); break;
      case Op::power:  // mem: 16 times the integer 127
        vcvtps2dq(d, a);
        vpaddd(d, d, m);
        vpslld(d, d, 23);
        break;
      case Op::add_int: vpaddd(d, a, s); break;
      case Op::to_float: vcvtdq2ps(d, a); break;
      case Op::load_bytes:
      case Op::load_signed:
      case Op::load_wide:
      case Op::store_bytes: bytes(i, m); break;
      case Op::blend:
        if (wide) {
          vpmovd2m(k1, Zmm(i.a));
          vmovaps(Zmm(i.d) | k1, Zmm(i.b));
        } else {
          vblendvps(Ymm(i.d), Ymm(i.d), Ymm(i.b), Ymm(i.a));
        }
        break;
      case Op::copy: vmovaps(d, a); break;
      default: break;
    }
  }

  void matrix(const Instr& i) {
    switch (i.op) {
      case Op::tile_shapes: configure(shapes_of(i)); break;
      case Op::tile_zero: tilezero(Tmm(i.d)); break;
      case Op::tile_load: tileloadd(Tmm(i.d), ptr[where(i.mem)]); break;
      case Op::tile_store: tilestored(ptr[where(i.mem)], Tmm(i.a)); break;
      case Op::tile_dot: tdpbf16ps(Tmm(i.d), Tmm(i.a), Tmm(i.b)); break;
      case Op::tile_dot_bytes: tdpbusd(Tmm(i.d), Tmm(i.a), Tmm(i.b)); break;
      case Op::tile_release: tilerelease(); break;
      default: break;
    }
  }
  /// 64 bytes: palette 1, at 16 the bytes per row (16 bits each), at 48 the rows.
  void configure(const TileShapes& shapes) {
    sub(rsp, 64);
    vpxord(Zmm(31), Zmm(31), Zmm(31));
    vmovups(ptr[rsp], Zmm(31));
    mov(byte[rsp], 1);
    for (int t = 0; t < 8; ++t) {
      if (shapes.rows(t) == 0) continue;
      mov(word[rsp + 16 + 2 * t], shapes.bytes(t));
      mov(byte[rsp + 48 + t], shapes.rows(t));
    }
    ldtilecfg(ptr[rsp]);
    add(rsp, 64);
  }

  void bytes(const Instr& i, const Address& m) {
    const Zmm d(i.d);
    if (i.op == Op::store_bytes) {
      vcvtps2dq(d, Zmm(i.a));
      vpmovdb(m, d);
      return;
    }
    i.op == Op::load_signed ? vpmovsxbd(d, m) : vpmovzxbd(d, m);
    if (i.op != Op::load_wide) vcvtdq2ps(d, d);
  }

  void general(const Instr& i) {
    const Reg64 d = reg(i.d);
    switch (i.op) {
      case Op::set: mov(d, static_cast<uint64_t>(i.imm)); break;
      case Op::get: mov(d, ptr[where(i.mem)]); break;
      case Op::put: mov(ptr[where(i.mem)], reg(i.a)); break;
      case Op::move: mov(d, reg(i.a)); break;
      case Op::add_imm: add(d, static_cast<uint32_t>(i.imm)); break;
      case Op::add_mem: add(d, ptr[where(i.mem)]); break;
      case Op::skip_zero:
        test(d, d);
        jz(labels_[static_cast<size_t>(i.label)], T_NEAR);
        break;
      case Op::loop:
        dec(d);
        jnz(labels_[static_cast<size_t>(i.label)], T_NEAR);
        break;
      case Op::label:
        align(64);
        L(labels_[static_cast<size_t>(i.label)]);
        break;
      case Op::prefetch_l2: prefetcht1(ptr[where(i.mem)]); break;
      case Op::finish:
        for (int r = kGeneral - 1; r >= kScratch; --r) {
          if (used_[r]) pop(reg(r));
        }
        vzeroupper();
        ret();
        break;
      default: break;
    }
  }
};

}  // namespace

std::vector<uint8_t> assemble(const Code& code) {
  std::vector<uint8_t> buffer(code.list.size() * 24 + 256 + code.labels * 64);
  Assembler a(code, buffer);
  a.run();
  if (Xbyak::GetError() != 0) {
    Xbyak::ClearError();
    return {};
  }
  buffer.resize(a.getSize());
  return buffer;
}

}  // namespace chorus::jit
#else
namespace chorus::jit {
std::vector<uint8_t> assemble(const Code&) { return {}; }
}  // namespace chorus::jit
#endif
