#include "hostile/damage.h"

#include "hostile/message_tree.h"

#include <ops/op_def.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

namespace chorus::testing {
namespace {

constexpr size_t kLargest = size_t{1} << 20;
constexpr int kWide = 2000, kDeep = 90;

std::string float_bytes(float v) { return {reinterpret_cast<const char*>(&v), sizeof v}; }

/// Damages of structure; each returns what it did, empty where the model has no place for it.
class Structure {
 public:
  Structure(Message& model, Random& random) : model_(model), r_(random) {}

  std::string damage() {
    using Way = std::string (Structure::*)();
    static constexpr Way kWays[] = {
        &Structure::tensor_dims,
        &Structure::tensor_dims,
        &Structure::tensor_type,
        &Structure::tensor_data,
        &Structure::tensor_data,
        &Structure::external_data,
        &Structure::attribute_value,
        &Structure::attribute_value,
        &Structure::attribute_value,
        &Structure::attribute_value,
        &Structure::attribute_value,
        &Structure::attribute_list,
        &Structure::attribute_list,
        &Structure::edge,
        &Structure::edge,
        &Structure::edge,
        &Structure::operator_,
        &Structure::operator_,
        &Structure::nodes,
        &Structure::nodes,
        &Structure::value_type,
        &Structure::value_type,
        &Structure::value_type,
        &Structure::value_type,
        &Structure::value_type,
        &Structure::opset,
        &Structure::initializers,
        &Structure::header,
        &Structure::nesting,
        &Structure::chain,
        &Structure::any_field,
        &Structure::any_field,
    };
    for (int tries = 0; tries < 20; ++tries) {
      const std::string said = (this->*kWays[r_.below(std::size(kWays))])();
      if (!said.empty()) return said;
    }
    return header();
  }

 private:
  Message* some(Kind kind) {
    std::vector<Message*> found;
    model_.collect(kind, found);
    return found.empty() ? nullptr : r_.pick(found);
  }
  Message* main_graph() {
    Field* f = model_.find(7);
    return f == nullptr ? nullptr : f->message.get();
  }
  std::string some_name() {
    std::set<std::string> names;
    std::vector<Message*> nodes, infos, tensors;
    model_.collect(Kind::node, nodes);
    for (Message* n : nodes) {
      for (int side : {1, 2}) {
        for (Field* f : n->all(side)) names.insert(f->bytes);
      }
    }
    model_.collect(Kind::value_info, infos);
    for (Message* i : infos) names.insert(i->text(1));
    model_.collect(Kind::tensor, tensors);
    for (Message* t : tensors) names.insert(t->text(8));
    names.erase("");
    if (names.empty()) return "x";
    return *std::next(names.begin(), static_cast<std::ptrdiff_t>(r_.below(names.size())));
  }

  /// Of a value that is there before any node, mostly: so the graph stays in order.
  std::string some_source() {
    Message* g = main_graph();
    if (g == nullptr || r_.chance(10)) return some_name();
    std::vector<std::string> names;
    for (int number : {5, 11}) {
      for (Field* f : g->all(number)) {
        if (f->message) names.push_back(f->message->text(number == 5 ? 8 : 1));
      }
    }
    return names.empty() ? some_name() : r_.pick(names);
  }

  std::string tensor_dims() {
    Message* t = some(Kind::tensor);
    if (t == nullptr) return {};
    auto dims = t->all(1);
    switch (r_.below(4)) {
      case 0:
        if (!dims.empty()) r_.pick(dims)->number_value = static_cast<uint64_t>(r_.integer());
        break;
      case 1:
        if (!dims.empty()) t->erase(r_.pick(dims));
        break;
      case 2:
        for (int i = r_.chance(50) ? 10 : 70; i > 0; --i) t->add_number(1, r_.chance(80) ? 1 : r_.integer());
        break;
      default: t->add_number(1, r_.integer());
    }
    return "dims of a tensor";
  }

  std::string tensor_type() {
    Message* t = some(Kind::tensor);
    if (t == nullptr) return {};
    t->set_number(2, static_cast<int64_t>(r_.chance(90) ? r_.below(30) : r_.next()));
    return "element type of a tensor";
  }

  std::string tensor_data() {
    Message* t = some(Kind::tensor);
    if (t == nullptr) return {};
    switch (r_.below(6)) {
      case 0:
        if (Field* raw = t->find(9)) raw->bytes.resize(r_.below(raw->bytes.size() + 1));
        break;
      case 1:
        if (Field* raw = t->find(9)) raw->bytes.append(r_.chance(50) ? 1 : 4096, '\x7f');
        break;
      case 2:
        for (int number : {4, 5, 6, 7, 9, 10, 11}) t->remove(number);
        break;
      case 3:   // other elements of the same length: negative indices, enormous shapes, not a number
        if (Field* raw = t->find(9)) {
          for (size_t i = 0; i + 8 <= raw->bytes.size() && i < 64; i += 8) {
            const int64_t v = r_.integer();
            raw->bytes.replace(i, 8, reinterpret_cast<const char*>(&v), 8);
          }
        }
        break;
      case 4: t->add_number(7, r_.integer()); break;
      default: t->add_text(6, std::string(r_.chance(50) ? 3 : 1000, '\xff'));
    }
    return "data of a tensor";
  }

  std::string external_data() {
    Message* t = some(Kind::tensor);
    if (t == nullptr) return {};
    static const char* const kPlaces[] = {
        "../../../../etc/passwd", "/etc/passwd", "absent.bin", "", ".", "/dev/zero", "a/../../b"};
    t->set_number(14, 1);
    const auto entry = [&](const char* key, const std::string& value) {
      Message e;
      e.kind = Kind::entry;
      e.add_text(1, key);
      e.add_text(2, value);
      t->add_message(13, std::move(e));
    };
    entry("location", kPlaces[r_.below(std::size(kPlaces))]);
    for (const char* key : {"offset", "length", "checksum"}) {
      if (r_.chance(60)) entry(key, r_.chance(70) ? std::to_string(r_.integer()) : "1e3");
    }
    return "a tensor in another file";
  }

  std::string attribute_value() {
    Message* a = some(Kind::attribute);
    if (a == nullptr) return {};
    const std::string name = a->text(1);
    if (Field* f = a->find(3); f != nullptr && f->wire == 0) {
      f->number_value = static_cast<uint64_t>(r_.chance(50) ? static_cast<int64_t>(r_.below(8)) - 3 : r_.integer());
    } else if (Field* g = a->find(2); g != nullptr && g->wire == 5) {
      static constexpr float kFloats[] = {0, -1, 1e-38f, 3e38f, __builtin_inff(), __builtin_nanf("")};
      g->bytes = float_bytes(kFloats[r_.below(std::size(kFloats))]);
    } else if (Field* s = a->find(4); s != nullptr) {
      static const char* const kTexts[] = {"",          "\xff\xfe",  "NOTSET", "SAME_UPPER", "VALID",
                                           "ij,jk->ik", "...,...->", "linear", "cubic"};
      s->bytes = kTexts[r_.below(std::size(kTexts))];
    } else if (auto ints = a->all(8); !ints.empty()) {
      switch (r_.below(4)) {
        case 0: a->erase(r_.pick(ints)); break;
        case 1: a->add_number(8, r_.integer()); break;
        case 2: a->remove(8); break;
        default:
          r_.pick(ints)->number_value =
              static_cast<uint64_t>(r_.chance(50) ? static_cast<int64_t>(r_.below(8)) - 3 : r_.integer());
      }
    } else {
      return {};
    }
    return "attribute " + name;
  }

  std::string attribute_list() {
    Message* n = some(Kind::node);
    if (n == nullptr) return {};
    auto attributes = n->all(5);
    Field* one = attributes.empty() ? nullptr : r_.pick(attributes);
    if (one == nullptr || one->message == nullptr || r_.chance(20)) {
      Message a;
      a.kind = Kind::attribute;
      static const char* const kNames[] = {"axis", "bogus", "", "to", "k", "perm"};
      a.add_text(1, kNames[r_.below(std::size(kNames))]);
      a.add_number(3, r_.integer());
      a.add_number(20, 2);
      n->add_message(5, std::move(a));
      return "an attribute more";
    }
    switch (r_.below(4)) {
      case 0: n->erase(one); break;
      case 1: one->message->set_text(1, r_.chance(50) ? "axes" : some_name()); break;
      case 2: one->message->set_number(20, static_cast<int64_t>(r_.below(16))); break;
      default: n->add_message(5, copy_of(*one->message));
    }
    return "attributes of " + n->text(4);
  }

  std::string edge() {
    Message* n = some(Kind::node);
    if (n == nullptr) return {};
    const int number = r_.chance(90) ? 1 : 2;
    auto side = n->all(number);
    if (side.empty() || r_.chance(15)) {
      n->add_text(number, number == 1 ? some_source() : "one_more");
      return "an edge more";
    }
    Field* place = r_.pick(side);
    switch (r_.chance(40) ? 9 : r_.below(6)) {
      case 0: n->erase(place); break;
      case 1: place->bytes.clear(); break;
      case 2: place->bytes = "a value that nobody makes"; break;
      case 3: std::swap(place->bytes, r_.pick(side)->bytes); break;
      case 4: {
        const std::string name = place->bytes.substr(0, 20);
        for (int i = kWide; i > 0; --i) n->add_text(number, name);
        break;
      }
      default: place->bytes = some_source();
    }
    return "an edge of " + n->text(4);
  }

  std::string operator_() {
    Message* n = some(Kind::node);
    if (n == nullptr) return {};
    const auto ops = all_ops();
    const OpDef& op = *ops[r_.below(ops.size())];
    const std::string was = n->text(4);
    if (r_.chance(90)) {
      n->set_text(4, std::string(op.name));
      n->set_text(7, std::string(op.domain));
    } else {
      n->set_text(r_.chance(50) ? 4 : 7, r_.chance(50) ? "NoSuchThing" : "");
    }
    return fmt::format("operator {} becomes {}", was, n->text(4));
  }

  std::string nodes() {
    Message* g = some(Kind::graph);
    if (g == nullptr) return {};
    auto list = g->all(1);
    if (list.empty() || list[0]->message == nullptr) return {};
    switch (r_.below(4)) {
      case 0: g->erase(r_.pick(list)); break;
      case 1: {
        const Field* one = r_.pick(list);
        if (!one->message) break;
        Message twice = copy_of(*one->message);
        for (Field* out : twice.all(2)) out->bytes += r_.chance(95) ? "_twice" : "";
        g->add_message(1, std::move(twice));
        break;
      }
      case 2: std::swap(*r_.pick(list), *r_.pick(list)); break;
      default: {   // the graph's values go on through an operator more
        Message n;
        n.kind = Kind::node;
        const auto ops = all_ops();
        n.add_text(1, some_name());
        if (r_.chance(60)) n.add_text(1, some_source());
        n.add_text(2, "made_by_damage");
        n.add_text(4, std::string(ops[r_.below(ops.size())]->name));
        g->add_message(1, std::move(n));
        if (auto outputs = g->all(12); !outputs.empty() && outputs[0]->message)
          outputs[0]->message->set_text(1, "made_by_damage");
      }
    }
    return "nodes";
  }

  std::string value_type() {
    Message* d = nullptr;
    switch (r_.below(6)) {
      case 0:
      case 1:
        if ((d = some(Kind::dim)) == nullptr) return {};
        d->fields.clear();
        if (r_.chance(50))
          d->add_number(1, r_.chance(50) ? static_cast<int64_t>(r_.below(9)) : r_.integer());
        else if (r_.chance(80))
          d->add_text(2, r_.chance(50) ? "N" : "N + 1");
        return "a dimension";
      case 2:
        if ((d = some(Kind::shape)) == nullptr) return {};
        if (auto dims = d->all(1); !dims.empty() && r_.chance(50))
          d->erase(r_.pick(dims));
        else
          for (int i = r_.chance(80) ? 1 : 60; i > 0; --i)
            d->add_message(1, Message{Kind::dim, {}}).add_number(1, r_.chance(70) ? 1 : r_.integer());
        return "a rank";
      case 3:
        if ((d = some(Kind::tensor_type)) == nullptr) return {};
        if (r_.chance(80))
          d->set_number(1, static_cast<int64_t>(r_.below(28)));
        else
          d->remove(2);
        return "a type";
      case 4: {
        if ((d = some(Kind::value_info)) == nullptr) return {};
        Field* type = d->find(2);
        if (type == nullptr || type->message == nullptr || r_.chance(30)) {
          d->remove(2);
          return "no type";
        }
        Message inner = std::move(*type->message);
        for (int i = r_.chance(80) ? 1 : kDeep; i > 0; --i) {
          Message sequence{Kind::sequence_type, {}}, outer{Kind::type, {}};
          sequence.add_message(1, std::move(inner));
          outer.add_message(r_.chance(70) ? 4 : 9, std::move(sequence));
          inner = std::move(outer);
        }
        *type->message = std::move(inner);
        return "another kind of value";
      }
      default:
        if ((d = some(Kind::value_info)) == nullptr) return {};
        if (!r_.chance(25)) return {};
        d->set_text(1, r_.chance(80) ? some_name() : "");
        return "the name of a value";
    }
  }

  std::string opset() {
    Message* o = some(Kind::opset);
    if (o == nullptr || r_.chance(20)) {
      model_.remove(8);
      return "no operator set";
    }
    o->set_number(2, r_.chance(80) ? static_cast<int64_t>(1 + r_.below(27)) : r_.integer());
    return "another operator set";
  }

  std::string initializers() {
    Message* g = main_graph();
    if (g == nullptr) return {};
    auto list = g->all(5);
    if (list.empty() || r_.chance(30)) {
      Message t{Kind::tensor, {}};
      const int64_t v = r_.integer();
      t.add_number(1, 1);
      t.add_number(2, 7);
      t.add_text(8, some_name());
      t.add_text(9, {reinterpret_cast<const char*>(&v), 8});
      g->add_message(5, std::move(t));
      return "a constant more";
    }
    if (r_.chance(50))
      g->erase(r_.pick(list));
    else if (Field* one = r_.pick(list); one->message && r_.chance(30))
      one->message->set_text(8, some_name());
    return "constants";
  }

  std::string header() {
    switch (r_.below(4)) {
      case 0: model_.set_number(1, r_.integer()); return "another IR version";
      case 1: model_.add_text(6, std::string(5000, '\xff')); return "a long text";
      case 2:
        if (Message* g = main_graph()) g->remove(12);
        return "no outputs";
      default:
        if (Message* g = main_graph()) g->remove(11);
        return "no inputs";
    }
  }

  std::string nesting() {
    Message* g = main_graph();
    if (g == nullptr || g->all(1).empty()) return {};
    Message inner = copy_of(*g);
    for (int i = r_.chance(70) ? 3 : kDeep; i > 0 && bytes_of(inner).size() < kLargest / 8; --i) {
      Message a{Kind::attribute, {}}, n{Kind::node, {}}, outer{Kind::graph, {}};
      a.add_text(1, "then_branch");
      a.add_message(6, std::move(inner));
      a.add_number(20, 5);
      n.add_text(1, some_name());
      n.add_text(2, "nested");
      n.add_text(4, "If");
      n.add_message(5, std::move(a));
      outer.add_message(1, std::move(n));
      inner = std::move(outer);
    }
    g->add_message(1, copy_of(*inner.fields[0].message));
    return "graphs in graphs";
  }

  std::string chain() {
    Message* g = main_graph();
    if (g == nullptr) return {};
    std::string name = some_name();
    static const char* const kTypes[] = {"Identity", "Neg", "Shape", "Add", "Concat"};
    const char* const type = kTypes[r_.below(std::size(kTypes))];
    for (int i = 0; i < (r_.chance(80) ? 60 : kWide); ++i) {
      Message n{Kind::node, {}};
      n.add_text(1, name);
      if (*type == 'A' || *type == 'C') n.add_text(1, name);   // doubles: sizes or lengths that grow
      name = fmt::format("chain{}", i);
      n.add_text(2, name);
      n.add_text(4, type);
      if (*type == 'C') {
        Message a{Kind::attribute, {}};
        a.add_text(1, "axis");
        a.add_number(3, 0);
        a.add_number(20, 2);
        n.add_message(5, std::move(a));
      }
      g->add_message(1, std::move(n));
    }
    if (auto outputs = g->all(12); !outputs.empty() && outputs[0]->message && r_.chance(70)) {
      outputs[0]->message->set_text(1, name);
      outputs[0]->message->remove(2);
    }
    return fmt::format("a chain of {}", type);
  }

  std::string any_field() {
    static constexpr Kind kKinds[] = {Kind::model,  Kind::graph,      Kind::node, Kind::attribute,
                                      Kind::tensor, Kind::value_info, Kind::type, Kind::function};
    Message* m = some(kKinds[r_.below(std::size(kKinds))]);
    if (m == nullptr || m->fields.empty()) return {};
    Field& f = r_.pick(m->fields);
    switch (r_.below(3)) {
      case 0: m->erase(&f); return "a field less";
      case 1:
        if (f.message)
          m->add_message(f.number, copy_of(*f.message));
        else if (f.wire == 0)
          m->add_number(f.number, static_cast<int64_t>(f.number_value));
        else if (f.wire == 2)
          m->add_text(f.number, f.bytes);
        return "a field twice";
      default:
        if (f.wire == 0)
          f.number_value = static_cast<uint64_t>(r_.integer());
        else if (!f.message)
          f.bytes = std::string(f.bytes.size(), static_cast<char>(r_.next()));
        return "the content of a field";
    }
  }

  Message& model_;
  Random& r_;
};

// Names hold a model together: most damages leave them alone.
bool is_name(Kind kind, int number) {
  return (kind == Kind::node && number != 4) || (kind == Kind::value_info && number == 1) ||
         (kind == Kind::tensor && number == 8);
}

void collect_leaves(Message& message, std::vector<Field*>& leaves, std::vector<Field*>& names) {
  for (Field& f : message.fields) {
    if (f.message)
      collect_leaves(*f.message, leaves, names);
    else
      (is_name(message.kind, f.number) ? names : leaves).push_back(&f);
  }
}

std::string damage_leaf(Field& field, Random& r) {
  if (field.wire == 0) {
    field.number_value ^= uint64_t{1} << r.below(r.chance(70) ? 4 : 64);
    return fmt::format(" bit of field {},", field.number);
  }
  if (field.bytes.empty()) return " nothing,";
  const size_t at = r.below(field.bytes.size());
  if (r.chance(50))
    field.bytes[at] = static_cast<char>(field.bytes[at] ^ (1 << r.below(8)));
  else
    field.bytes[at] = static_cast<char>(r.next());
  return fmt::format(" byte {} of field {},", at, field.number);
}

}  // namespace

std::string damage_structure(std::string_view bytes, Random& r, std::string& how) {
  Message model = parse_message(bytes, Kind::model);
  if (model.fields.empty()) return std::string(bytes);
  static constexpr uint64_t kRounds[] = {1, 1, 1, 1, 2, 4};
  Structure structure(model, r);
  for (uint64_t round = kRounds[r.below(6)]; round > 0; --round) how += " " + structure.damage() + ",";
  std::string damaged = bytes_of(model);
  if (damaged.size() > kLargest) damaged.resize(kLargest);
  return damaged;
}

Damaged make_mutant(std::span<const Seed> corpus, uint64_t seed, uint64_t number) {
  Random r(seed * 0x2545f4914f6cdd1du + number);
  r.next();
  const Seed& from = corpus[r.below(corpus.size())];
  Damaged result{from.bytes, from.name + ":"};
  if (number % 2 == 0) {
    result.bytes = damage_structure(from.bytes, r, result.how);
    if (!result.how.ends_with(':')) return result;
  }
  if (r.chance(75)) {   // bytes inside the fields: the messages around them stay whole
    Message model = parse_message(from.bytes, Kind::model);
    std::vector<Field*> leaves, names;
    collect_leaves(model, leaves, names);
    if (r.chance(10)) leaves.swap(names);
    if (!leaves.empty()) {
      for (int round = r.chance(80) ? 1 : 3; round > 0; --round) result.how += damage_leaf(*r.pick(leaves), r);
      result.bytes = bytes_of(model);
      return result;
    }
  }
  result.bytes = damage_bytes(from.bytes, corpus[r.below(corpus.size())].bytes, r, result.how);
  return result;
}

}  // namespace chorus::testing
