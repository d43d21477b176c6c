"""Handing a NamedTuple of arrays to jitted functions by reference.

numba passes a NamedTuple by value: seven words for each array, copied at every call that is not inlined,
which took most of the time of functions that do little. `by_reference` leaves one copy on the stack of the
jitted function that calls it and gives a pointer; attributes of the pointer are the tuple's fields. The
pointer must not outlive that call. Without the compiler it is the tuple itself.

Record arrays among the fields are pointers too. Their indices are taken as they are: a negative one does
not count from the end, and nothing is checked. Each load and store says which field of which array it is
for, so that the optimiser knows a write to one field leaves all others as they were. What they offer is
what the kernels need: an integer for each dimension, attributes of records, and `size`. Where numba is
told to check bounds, all are ordinary arrays.
"""

from __future__ import annotations

import operator
from typing import Any

import numba.core.config
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.imputils import impl_ret_borrowed
from numba.core.types.containers import BaseTuple
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global, signature
from numba.extending import (
    infer_getattr,
    intrinsic,
    lower_builtin,
    lower_getattr,
    lower_getattr_generic,
    lower_setattr_generic,
    register_model,
)

BYTE = ir.IntType(8)


class TupleReference(types.Type):
    """Pointer to a NamedTuple on the stack."""

    def __init__(self, target: Any) -> None:
        self.target = target
        super().__init__(name=f"TupleReference({target.instance_class.__name__})")


class Records(types.Type):
    """Pointer to the descriptor of a one-dimensional array of records."""

    def __init__(self, array: Any, path: str) -> None:
        self.array = array
        self.path = path
        super().__init__(name=f"Records({array}, {path})")


class RecordPointer(types.Type):
    """Pointer to one record."""

    def __init__(self, record: Any, path: str) -> None:
        self.record = record
        self.path = path
        super().__init__(name=f"RecordPointer({record}, {path})")


class Nested(types.Type):
    """Pointer to an array inside a record."""

    def __init__(self, array: Any, path: str) -> None:
        self.array = array
        self.path = path
        super().__init__(name=f"Nested({array}, {path})")


def _member(dtype: Any, path: str) -> types.Type:
    """Type that stands for what is at a path: itself if a number, else a pointer to it."""
    if isinstance(dtype, types.Record):
        return RecordPointer(dtype, path)
    if isinstance(dtype, types.NestedArray):
        return Nested(dtype, path)
    return dtype


@register_model(TupleReference)
class _TupleModel(models.PrimitiveModel):
    def __init__(self, manager: Any, reference: TupleReference) -> None:
        super().__init__(manager, reference, manager.lookup(reference.target).get_value_type().as_pointer())


@register_model(Records)
class _RecordsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, records: Records) -> None:
        super().__init__(manager, records, manager.lookup(records.array).get_value_type().as_pointer())


@register_model(RecordPointer)
@register_model(Nested)
class _PointerModel(models.PrimitiveModel):
    def __init__(self, manager: Any, pointer: RecordPointer | Nested) -> None:
        super().__init__(manager, pointer, BYTE.as_pointer())


def _say_what(builder: Any, access: Any, path: str) -> Any:
    """Tell the optimiser that a load or store is for a path, and for nothing else."""
    module = builder.module
    root = module.add_metadata(["compactlab"])
    zero = ir.Constant(ir.IntType(64), 0)
    kind = module.add_metadata([path, root, zero])
    access.set_metadata("tbaa", module.add_metadata([kind, kind, zero]))
    return access


def _load(context: Any, builder: Any, dtype: Any, address: Any, path: str) -> Any:
    """Value of a number at an address, or the address itself for what is represented by one."""
    if isinstance(dtype, types.Record | types.NestedArray):
        return address
    pointer = builder.bitcast(address, context.get_data_type(dtype).as_pointer())
    return _say_what(builder, builder.load(pointer, align=1), path)


def _store(context: Any, builder: Any, value: Any, given: Any, dtype: Any, to: Any, path: str) -> None:
    pointer = builder.bitcast(to, context.get_data_type(dtype).as_pointer())
    _say_what(builder, builder.store(context.cast(builder, value, given, dtype), pointer, align=1), path)


@infer_getattr
class _TupleAttribute(AttributeTemplate):
    key = TupleReference

    def generic_resolve(self, reference: TupleReference, name: str) -> types.Type:
        found = reference.target.types[reference.target.fields.index(name)]
        if isinstance(found.dtype, types.Record) and not numba.core.config.BOUNDSCHECK:
            return Records(found, name)
        return found


@lower_getattr_generic(TupleReference)
def _tuple_attribute(context: Any, builder: Any, reference: TupleReference, value: Any, name: str) -> Any:
    index = reference.target.fields.index(name)
    found = reference.target.types[index]
    pointer = cgutils.gep_inbounds(builder, value, 0, index)
    if isinstance(found.dtype, types.Record) and not numba.core.config.BOUNDSCHECK:
        return pointer
    return impl_ret_borrowed(context, builder, found, _say_what(builder, builder.load(pointer), "tuple"))


@infer_getattr
class _RecordsAttribute(AttributeTemplate):
    key = Records

    def resolve_size(self, _: Records) -> types.Type:
        return types.intp


def _descriptor(context: Any, builder: Any, records: Records, value: Any, name: str) -> Any:
    """Load a word of an array's descriptor."""
    model = context.data_model_manager[records.array]
    pointer = cgutils.gep_inbounds(builder, value, 0, model.get_field_position(name))
    return _say_what(builder, builder.load(pointer), "tuple")


@lower_getattr(Records, "size")
def _size(context: Any, builder: Any, records: Records, value: Any) -> Any:
    return _descriptor(context, builder, records, value, "nitems")


@infer_getattr
class _RecordAttribute(AttributeTemplate):
    key = RecordPointer

    def generic_resolve(self, pointer: RecordPointer, name: str) -> types.Type:
        return _member(pointer.record.typeof(name), f"{pointer.path}.{name}")


def _field_address(builder: Any, pointer: RecordPointer, value: Any, name: str) -> Any:
    return builder.gep(value, [ir.Constant(ir.IntType(64), pointer.record.offset(name))], inbounds=True)


@lower_getattr_generic(RecordPointer)
def _record_attribute(context: Any, builder: Any, pointer: RecordPointer, value: Any, name: str) -> Any:
    address = _field_address(builder, pointer, value, name)
    return _load(context, builder, pointer.record.typeof(name), address, f"{pointer.path}.{name}")


@lower_setattr_generic(RecordPointer)
def _set_record_attribute(context: Any, builder: Any, sig: Any, args: Any, name: str) -> None:
    pointer, given = sig.args
    address = _field_address(builder, pointer, args[0], name)
    path = f"{pointer.path}.{name}"
    _store(context, builder, args[1], given, pointer.record.typeof(name), address, path)


def _indices(given: Any) -> tuple[types.Type, ...]:
    return tuple(given) if isinstance(given, BaseTuple) else (given,)


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):
    def generic(self, args: Any, _: Any) -> Any:
        array, index = args
        if isinstance(array, Records | Nested) and len(_indices(index)) == array.array.ndim:
            return signature(_member(array.array.dtype, array.path), array, index)
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):
    def generic(self, args: Any, _: Any) -> Any:
        array, index, value = args
        if isinstance(array, Nested) and len(_indices(index)) == array.array.ndim:
            return signature(types.none, array, index, value)
        return None


def _item_address(
    context: Any, builder: Any, array: Records | Nested, value: Any, given: Any, index: Any
) -> Any:
    """Address of an item: the start, and each index times what a step of its dimension is long."""
    if isinstance(array, Records):
        value = _descriptor(context, builder, array, value, "data")
        value = builder.bitcast(value, BYTE.as_pointer())
        strides = (array.array.dtype.size,)
    else:
        strides = array.array.strides
    numbers = cgutils.unpack_tuple(builder, index) if isinstance(given, BaseTuple) else [index]
    word = ir.IntType(64)
    offset = ir.Constant(word, 0)
    for number, kind, stride in zip(numbers, _indices(given), strides, strict=True):
        number = context.cast(builder, number, kind, types.int64)
        offset = builder.add(
            offset, builder.mul(number, ir.Constant(word, stride), flags=["nsw"]), flags=["nsw"]
        )
    return builder.gep(value, [offset], inbounds=True)


@lower_builtin(operator.getitem, Records, types.Any)
@lower_builtin(operator.getitem, Nested, types.Any)
def _get_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    array, index = sig.args
    address = _item_address(context, builder, array, args[0], index, args[1])
    return _load(context, builder, array.array.dtype, address, array.path)


@lower_builtin(operator.setitem, Nested, types.Any, types.Any)
def _set_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    array, index, given = sig.args
    address = _item_address(context, builder, array, args[0], index, args[1])
    _store(context, builder, args[2], given, array.array.dtype, address, array.path)
    return context.get_dummy_value()


@intrinsic
def _by_reference(_: Any, target: Any) -> Any:
    def codegen(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return cgutils.alloca_once_value(builder, arguments[0])

    return TupleReference(target)(target), codegen


def _itself(target: Any) -> Any:
    return target


by_reference = _itself if numba.core.config.DISABLE_JIT else _by_reference
