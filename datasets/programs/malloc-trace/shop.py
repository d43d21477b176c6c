"""A day in a small shop: orders come in, are changed, written out, read back and thrown away. All made up."""

import json

orders = [
    {
        "id": i,
        "customer": f"customer-{i * 7919 % 83}",
        "items": [f"item-{k}" for k in range(i * 31 % 7)],
        "note": "ab" * (i * i * 37 % 160),
        "amount": i % 53 / 7,
    }
    for i in range(300)
]
for i in range(0, 300, 2):  # every second note grows
    orders[i]["note"] += orders[i]["note"] + "!"
del orders[1::2]  # every second order is called off
text = json.dumps(orders, indent=1)
del orders
by_customer = {}
for order in json.loads(text):
    by_customer.setdefault(order["customer"], []).append(order)
del text
for customer in list(by_customer)[::3]:
    del by_customer[customer]
best = sorted((max(order["amount"] for order in kept), customer) for customer, kept in by_customer.items())
report = "\n".join(f"{customer:20} {amount:8.2f}" for amount, customer in best)
print(len(report), "characters")
